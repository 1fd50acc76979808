"""`embfeast compact`: join small files of the feature tables, and remove old versions."""

from pathlib import Path
from typing import Annotated

import typer

from embfeast.commands import options
from embfeast.commands.console import open_repository, print_json


def compact(
    repo: options.Repo = Path(),
    keep: Annotated[
        int, typer.Option(min=0, help="Hours that older versions can still be read.")
    ] = 1,
    drop_damaged: Annotated[
        bool, typer.Option("--drop-damaged", help="Take out files that cannot be read.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Join small files of the feature tables, and remove versions that nobody needs any more.

    Runs do so by themselves, a little at a time.

    Example: embfeast compact --repo feature_repo
    """
    repository = open_repository(repo, runs_its_files=False)
    from embfeast.repository.keeping import compact_tables

    done = compact_tables(repository, kept_hours=keep, damaged=drop_damaged)
    if json:
        print_json([vars(one) for one in done])
        return
    for one in done:
        typer.echo(f"{one.view}: {one.before} files before, {one.after} now")
        if one.rows:
            typer.echo(f"  taken out: {one.rows:,} rows that were there twice or of another recipe")
        for file in one.dropped:
            typer.echo(f"  taken out: {file}; materialize its period again")
