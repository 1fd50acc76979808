"""`embfeast materialize`: compute all features that are not there yet."""

import os
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer

from embfeast.commands.console import JsonOption, RepoOption, open_store, parse_time, print_json


def materialize(
    repo: RepoOption = Path(),
    start: Annotated[
        str | None, typer.Option(help="First event time, included; default: the first text's.")
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="Last event time, included; default: the last text's.")
    ] = None,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Begin where the last run has ended.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Compute the features of all texts, offline first, then online.

    Rows that are there already are not computed again: a run that was stopped is repaired by
    running it again.

    Example: embfeast materialize --repo feature_repo --incremental
    """
    if json or not sys.stderr.isatty():
        os.environ["TQDM_DISABLE"] = "1"  # Feast's bar asks nobody else; it is read at its import
    from embfeast.plugin.materializing import materialize as run

    period = [parse_time(given) if given else None for given in (start, end)]
    store = open_store(repo)
    with redirect_stdout(StringIO()):  # Feast announces every view
        done = run(store, *period, incremental=incremental)
    if json:
        print_json(vars(done))
        return
    typer.echo(
        f"materialized {len(done.views)} views from {done.start.isoformat()} "
        f"to {done.end.isoformat()}"
    )
