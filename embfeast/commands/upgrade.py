"""`embfeast upgrade`: take feature tables of earlier versions over."""

from pathlib import Path

import typer

from embfeast.commands import options
from embfeast.commands.console import open_repository, print_json


def upgrade(repo: options.Repo = Path(), json: options.Json = False) -> None:
    """Make Delta tables of the feature tables of earlier versions; no row is computed or copied.

    Example: embfeast upgrade --repo feature_repo
    """
    repository = open_repository(repo, runs_its_files=False)
    from embfeast.repository.keeping import upgrade_tables

    done = upgrade_tables(repository)
    if json:
        print_json(done)
    else:
        typer.echo(
            f"{len(done)} feature tables were taken over{': ' if done else ''}" + ", ".join(done)
        )
