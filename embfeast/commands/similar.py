"""`embfeast similar`: the stored texts most similar to a text."""

from pathlib import Path
from typing import Annotated

import typer

from embfeast.commands.console import JsonOption, RepoOption, open_store, print_json
from embfeast.errors import EmbfeastError


def similar(
    view: Annotated[str, typer.Argument(help="A view with one vector.")],
    repo: RepoOption = Path(),
    text: Annotated[str | None, typer.Option(help="A text that need not be stored.")] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="A stored text's key, as review_id=17.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Most results.")] = 10,
    exact: Annotated[bool, typer.Option("--exact", help="Search the offline table.")] = False,
    json: JsonOption = False,
) -> None:
    """Print the stored texts most similar to a text, nearest first.

    Example: embfeast similar ticket_whitened --repo feature_repo --text "charged twice"
    """
    from embfeast.plugin.similar import similar_texts

    given = dict(_pair(word) for word in key) if key else None
    found = similar_texts(open_store(repo), view, text=text, key=given, k=k, exact=exact)
    if json:
        print_json(found.to_pylist())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*found.column_names)
    for row in found.to_pylist():
        table.add_row(*(f"{v:.4f}" if isinstance(v, float) else str(v) for v in row.values()))
    Console().print(table)


def _pair(word: str) -> tuple[str, str]:
    name, found, value = word.partition("=")
    if not found:
        raise EmbfeastError(f"--key {word!r}: give it as name=value, such as review_id=17")
    return name, value
