"""`embfeast fit`: fit a recipe on a repository's texts."""

from pathlib import Path
from typing import Annotated

import typer

from embfeast.commands import options
from embfeast.commands.console import (
    check_repository,
    open_repository,
    parse_time,
    print_json,
    progress,
)


def fit(
    repo: options.Repo = Path(),
    recipe: options.Recipe = None,
    as_of: Annotated[
        str | None, typer.Option(help="Read only what was known before; default: 80 % of the rows.")
    ] = None,
    source: options.Source = None,
    labels: options.Labels = None,
    keep_clusters: Annotated[
        bool, typer.Option("--keep-clusters", help="Clusters that stay keep their numbers.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Fit a recipe on the texts known before a moment, and make it the current one.

    Example: embfeast fit --repo feature_repo --as-of 2026-05-01
    """
    cutoff = parse_time(as_of) if as_of else None
    check_repository(repo)
    from embfeast.recipe import Recipe

    settings = Recipe.from_yaml(recipe or repo / "recipe.yaml")
    repository = open_repository(repo)
    from embfeast.repository import fit_repository

    with progress("fitting", total=None, quiet=json) as (bar, task):
        fitted = fit_repository(
            repository,
            settings,
            source=source,
            as_of=cutoff,
            labels=labels,
            keep_clusters=keep_clusters,
            progress=lambda done, most: bar.update(task, completed=done, total=most),
        )
    record = fitted.record
    if json:
        print_json({"digest": fitted.digest, **vars(record)})
        return
    said = f"{record.rows:,} texts before {record.as_of} ({record.missing:,} missing or blank)"
    labelled = f", {record.labels:,} with a label" if record.labels else ""
    typer.echo(f"recipe {fitted.digest[:12]}: fitted on {said}{labelled}")
    for name, trick in fitted.tricks.items():
        if trick.remark:
            typer.echo(f"{name}: {trick.remark}")
    typer.echo(f"next: feast -c {repo} apply, then embfeast materialize --repo {repo}")
