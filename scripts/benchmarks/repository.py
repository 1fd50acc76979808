"""A feature repository of its own for a benchmark: fitted and applied, nothing materialized."""

import shutil
from pathlib import Path

import pandas as pd

from benchmarks.texts import texts
from console import feast
from embfeast.commands import fit, materialize
from ingest import ingest

SAMPLE = Path(__file__).parents[2] / "feature_repo"


def make_repository(folder: Path, count: int) -> Path:
    """Load so many texts, fit the sample's recipe on them and apply its views."""
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("data", "__pycache__"))
    (folder / "data").mkdir()
    given = folder / "data" / "texts.parquet"
    pd.DataFrame({"text": texts(count)}).to_parquet(given)
    ingest(given, folder / "data" / "tickets.duckdb", ["text"])
    fit.fit(folder)
    feast(folder, "apply")
    shutil.rmtree(folder / "data" / "cache")
    return folder


def fresh_copy(template: Path, folder: Path, *, cache: bool = False) -> Path:
    """Return a repository as before its first materialization.

    Parameters
    ----------
    cache : bool, default False
        Take the template's embedding cache along.
    """
    left_out = () if cache else ("cache",)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns(*left_out))
    return folder


def materialize_all(repo: Path) -> None:
    """Materialize the whole period of the texts, in this process."""
    materialize.materialize(repo)
