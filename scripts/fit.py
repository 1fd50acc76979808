"""Fit the recipe on the tickets before a cutoff: `python scripts/fit.py`.

The same as `embfeast fit --repo feature_repo`, as a function for the demo.
"""

from pathlib import Path
from typing import Annotated

import typer
from feast import FeatureStore

from console import console, run
from embfeast import FittedRecipe, Recipe
from embfeast.commands.console import parse_time, progress
from embfeast.plugin.fitting import fit_repository

REPO = Path("feature_repo")


def fit(repo: Path, recipe: Path, as_of: str | None = None) -> FittedRecipe:
    """Fit and save; the result is the current recipe from then on."""
    with progress("encoding", total=None) as (bar, task):
        return fit_repository(
            FeatureStore(repo_path=str(repo)).config,
            Recipe.from_yaml(recipe),
            as_of=parse_time(as_of) if as_of else None,
            progress=lambda done, most: bar.update(task, completed=done, total=most),
        )


def main(
    recipe: Annotated[Path | None, typer.Option(help="The recipe's YAML file.")] = None,
    repo: Annotated[Path, typer.Option(help="The feature repository.")] = REPO,
    as_of: Annotated[str | None, typer.Option(help="Cutoff; default: after 80 % of rows.")] = None,
) -> None:
    """Fit the recipe on the texts before a cutoff and make it current."""
    fitted = fit(repo, recipe or repo / "recipe.yaml", as_of)
    console.print(
        f"recipe {fitted.digest[:12]}: fitted on {fitted.record.rows:,} texts before "
        f"{fitted.record.as_of} ({fitted.record.missing} missing or blank)"
    )
    console.print("next: feast -c feature_repo apply")


if __name__ == "__main__":
    run(main)
