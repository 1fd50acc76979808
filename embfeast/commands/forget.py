"""`embfeast forget`: erase a key for good."""

from pathlib import Path
from typing import Annotated

import typer

from embfeast.commands import options
from embfeast.commands.console import keys_of, open_repository, print_json


def forget(
    key: Annotated[list[str], typer.Option(help="name=value; once a key column.")],
    repo: options.Repo = Path(),
    json: options.Json = False,
) -> None:
    """Erase a key from feature tables, online store and embedding cache, and keep it out.

    The text source is yours: delete its texts there as well.

    Example: embfeast forget --repo feature_repo --key ticket_id=17
    """
    keys = keys_of(key)
    repository = open_repository(repo, runs_its_files=False)
    from embfeast.repository import forget as run

    done = run(repository, keys)
    if json:
        print_json(vars(done))
        return
    typer.echo(f"erased {done.rows:,} rows, and {done.cached:,} texts of the embedding cache")
    for file in done.left:
        typer.echo(f"{file} still holds its text: remove it")
