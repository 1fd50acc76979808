"""`embfeast materialize`: compute all features that are not there yet."""

import os
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer

from embfeast.commands import options
from embfeast.commands.console import open_repository, parse_time, print_json


def materialize(
    repo: options.Repo = Path(),
    start: Annotated[
        str | None, typer.Option(help="First event time, included; default: the first text's.")
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="Last event time, included; default: the last text's.")
    ] = None,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Begin where the last run has ended.")
    ] = False,
    drop_missing: Annotated[
        bool,
        typer.Option("--drop-missing", help="Remove rows of texts that are gone from the source."),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Compute rows that are there already too.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Compute the features of all texts, offline first, then online.

    Rows that are there already are not computed again, but for those whose text was changed: a run
    that was stopped is repaired by running it again.

    Example: embfeast materialize --repo feature_repo --incremental
    """
    if json or not sys.stderr.isatty():
        os.environ["TQDM_DISABLE"] = "1"  # Feast's bar asks nobody else; it is read at its import
    period = [parse_time(given) if given else None for given in (start, end)]
    repository = open_repository(repo, runs_its_files=False)
    from embfeast.repository import materialize as run

    with redirect_stdout(StringIO()):  # Feast announces every view
        done = run(
            repository, *period, incremental=incremental, drop_missing=drop_missing, again=again
        )
    if json:
        print_json(vars(done))
        return
    typer.echo(
        f"materialized {len(done.views)} views from {done.start.isoformat()} "
        f"to {done.end.isoformat()}"
    )
    if drop_missing:
        typer.echo(f"removed {done.dropped:,} rows of texts that are gone from the source")
