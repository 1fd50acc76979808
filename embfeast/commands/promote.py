"""`embfeast promote`: which applied recipe requests read, and dropping another one's rows."""

from pathlib import Path
from typing import Annotated

import typer

from embfeast.commands import options
from embfeast.commands.console import open_repository, print_json


def promote(
    digest: Annotated[str, typer.Argument(help="Of the recipe, or its first characters.")],
    repo: options.Repo = Path(),
    drop: Annotated[bool, typer.Option(help="Free its online rows instead.")] = False,
    json: options.Json = False,
) -> None:
    """Let requests without a version read a recipe's rows; taking it back is the same command.

    Example: embfeast promote 1f0c9a --repo feature_repo
    """
    repository = open_repository(repo)
    from embfeast.repository import promoting

    done = (
        promoting.drop_version(repository, digest)
        if drop
        else promoting.promote(repository, digest)
    )
    if json:
        print_json(done)
    elif drop:
        said = [f"{'all' if rows is None else rows} of {view}" for view, rows in done.items()]
        typer.echo(f"online rows freed: {', '.join(said)}")
    else:
        typer.echo("promoted: " + ", ".join(f"{view}@{version}" for view, version in done.items()))
