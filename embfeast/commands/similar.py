"""`embfeast similar`: the stored texts most similar to a text."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from embfeast.commands import options
from embfeast.commands.console import GONE, keys_of, open_repository, print_json, print_table
from embfeast.errors import EmbfeastError


def similar(
    view: Annotated[str, typer.Argument(help="A view with one vector.")],
    repo: options.Repo = Path(),
    text: Annotated[str | None, typer.Option(help="A text that need not be stored.")] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="A stored text's key, as review_id=17.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Most results.")] = 10,
    exact: Annotated[bool, typer.Option("--exact", help="Search the offline table.")] = False,
    json: options.Json = False,
) -> None:
    """Print the stored texts most similar to a text, nearest first; --json has them whole.

    Example: embfeast similar ticket_whitened --repo feature_repo --text "charged twice"
    """
    given = keys_of(key) if key else None
    if bool(key) == (text is not None):
        raise EmbfeastError("give either --key name=value or --text")
    repository = open_repository(repo, runs_its_files=False)
    from embfeast.repository import similar_texts

    found = similar_texts(repository, view, text=text, key=given, k=k, exact=exact)
    texts, why = _texts(repository, view, found)
    if json:
        print_json(
            [row | {"text": said} for row, said in zip(found.to_pylist(), texts, strict=True)]
        )
        return
    shown = [list(map(_shown, row.values())) for row in found.to_pylist()]
    if why:
        print_table(found.column_names, shown, why)
        return
    rows = ([*row, said or GONE] for row, said in zip(shown, texts, strict=True))
    print_table([*found.column_names, "text"], rows, cut="text")


def _texts(repository: Any, view: str, found: Any) -> tuple[list[str | None], str]:
    """Return the texts of what was found, or why they cannot be read."""
    from embfeast.repository.stored_texts import texts_of_rows

    try:
        return texts_of_rows(repository, view, found), ""
    except EmbfeastError as error:
        return [None] * found.num_rows, f"no texts are shown: {error}"


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
