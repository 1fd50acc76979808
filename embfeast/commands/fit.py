"""`embfeast fit`: fit a recipe on a repository's texts."""

from pathlib import Path
from typing import Annotated

import typer

from embfeast.commands.console import (
    JsonOption,
    RepoOption,
    open_store,
    parse_time,
    print_json,
    progress,
)


def fit(
    repo: RepoOption = Path(),
    recipe: Annotated[
        Path | None, typer.Option(help="The recipe's YAML file; default: the repository's own.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Read only what was known before; default: 80 % of the rows.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Text source, where there are several.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV or Parquet: keys, label, and known_at if there is one.")
    ] = None,
    keep_clusters: Annotated[
        bool, typer.Option("--keep-clusters", help="Clusters that stay keep their numbers.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Fit a recipe on the texts known before a moment, and make it the current one.

    Example: embfeast fit --repo feature_repo --as-of 2026-05-01
    """
    from embfeast.plugin.fitting import fit_repository
    from embfeast.recipe import Recipe

    cutoff = parse_time(as_of) if as_of else None
    settings = Recipe.from_yaml(recipe or repo / "recipe.yaml")
    store = open_store(repo)
    with progress("fitting", total=None, quiet=json) as (bar, task):
        fitted = fit_repository(
            store.config,
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
    typer.echo(f"next: feast -c {repo} apply, then embfeast materialize --repo {repo}")
