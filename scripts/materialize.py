"""Materialize the whole period of the tickets: `python scripts/materialize.py`."""

from pathlib import Path
from typing import Annotated

import typer
from feast import FeatureStore

from console import console, run
from embfeast.plugin.materializing import Materialized
from embfeast.plugin.materializing import materialize as run_whole

REPO = Path("feature_repo")


def materialize(repo: Path) -> Materialized:
    """Materialize all tickets into the offline store and the online store."""
    return run_whole(FeatureStore(repo_path=str(repo)))


def main(
    repo: Annotated[Path, typer.Option(help="The feature repository.")] = REPO,
) -> None:
    """Materialize all tickets into the offline store and the online store."""
    done = materialize(repo)
    console.print(f"materialized {done.start.isoformat()} to {done.end.isoformat()}")


if __name__ == "__main__":
    run(main)
