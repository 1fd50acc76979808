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
    from embfeast.repository import promoting

    done = (promoting.drop_version if drop else promoting.promote)(open_repository(repo), digest)
    if json:
        print_json(done)
        return
    what = "online rows freed" if drop else "promoted"
    typer.echo(f"{what}: " + ", ".join(f"{view}@{version}" for view, version in done.items()))
