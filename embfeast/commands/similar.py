"""`embfeast similar`: the stored texts most similar to a text."""

from pathlib import Path
from typing import Annotated

import typer

from embfeast.commands import options
from embfeast.commands.console import keys_of, open_repository, print_json, print_table
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
    """Print the stored texts most similar to a text, nearest first.

    Example: embfeast similar ticket_whitened --repo feature_repo --text "charged twice"
    """
    given = keys_of(key) if key else None
    if bool(key) == (text is not None):
        raise EmbfeastError("give either --key name=value or --text")
    repository = open_repository(repo, runs_its_files=False)
    from embfeast.repository import similar_texts

    found = similar_texts(repository, view, text=text, key=given, k=k, exact=exact)
    if json:
        print_json(found.to_pylist())
        return
    rows = (row.values() for row in found.to_pylist())
    shown = ((f"{v:.4f}" if isinstance(v, float) else str(v) for v in row) for row in rows)
    print_table(found.column_names, shown)
