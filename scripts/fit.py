"""Fit the recipe on the texts before a cutoff: `python scripts/fit.py`."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console import console, progress, run
from embfeast import EmbfeastError, Encoder, FittedRecipe, Recipe
from embfeast.encoding import EmbeddingCache
from embfeast.plugin import DuckDBSource
from embfeast.plugin.fitting import fit_on_source
from embfeast.recipe.versions import save_version

REPO = Path("feature_repo")


def text_source(repo: Path) -> DuckDBSource:
    """Return the source that the feature repository declares."""
    sys.path.insert(0, str(repo.resolve()))
    try:
        from sources import tickets
    finally:
        sys.path.pop(0)
    return tickets


def fit(repo: Path, recipe: Path, as_of: datetime | None = None) -> FittedRecipe:
    """Fit and save; the result is the current recipe from then on."""
    settings = Recipe.from_yaml(recipe)
    encoder = Encoder(settings.settings.model, cache=EmbeddingCache(repo / "data" / "cache"))
    with progress() as bar:
        task = bar.add_task("encoding", total=None)
        fitted = fit_on_source(
            settings,
            text_source(repo),
            repo,
            ["ticket_id"],
            as_of=as_of,
            encoder=encoder,
            progress=lambda done: bar.advance(task, done),
        )
    save_version(repo / "data" / "recipes", fitted)
    return fitted


def parse_time(given: str) -> datetime:
    """Read an ISO 8601 time; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise EmbfeastError(f"{given!r} is no ISO 8601 time, say 2026-05-01T00:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def main(
    recipe: Annotated[Path | None, typer.Option(help="The recipe's YAML file.")] = None,
    repo: Annotated[Path, typer.Option(help="The feature repository.")] = REPO,
    as_of: Annotated[str | None, typer.Option(help="Cutoff; default: after 80 % of rows.")] = None,
) -> None:
    """Fit the recipe on the texts before a cutoff and make it current."""
    cutoff = parse_time(as_of) if as_of else None
    fitted = fit(repo, recipe or repo / "recipe.yaml", cutoff)
    console.print(
        f"recipe {fitted.digest[:12]}: fitted on {fitted.record.rows:,} texts before "
        f"{fitted.record.as_of} ({fitted.record.missing} missing or blank)"
    )
    console.print("next: feast -c feature_repo apply")


if __name__ == "__main__":
    run(main)
