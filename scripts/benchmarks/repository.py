"""A feature repository of its own for a benchmark: fitted and applied, nothing materialized."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import yaml

from benchmarks.texts import texts
from console import feast
from embfeast.commands import fit, materialize
from embfeast.plugin.engine.commit import Commit
from ingest import ingest

SAMPLE = Path(__file__).parents[2] / "feature_repo"
# Texts of a benchmark have no labels and no writers; figures are of what the model's vector gives.
LEFT_OUT = ("words", "neighbours", "history")


def make_repository(folder: Path, count: int) -> Path:
    """Load so many texts, fit the sample's recipe on them and apply its views."""
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("data", "__pycache__"))
    (folder / "data").mkdir()
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    recipe["tricks"] = {n: one for n, one in recipe["tricks"].items() if n not in LEFT_OUT}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
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


@contextmanager
def served_in(clock: Callable[[Callable[[], object]], float]) -> Iterator[list[float]]:
    """Measure, by a clock of calls, what the online half of each materialization takes."""
    spent: list[float] = []
    serve = Commit.serve

    def timed(self: Commit, *given: Any) -> None:
        spent.append(clock(lambda: serve(self, *given)))

    with patch.object(Commit, "serve", timed):
        yield spent


@contextmanager
def settings_of(repo: Path) -> Iterator[dict[str, Any]]:
    """Open a repository's feature_store.yaml to change it."""
    file = repo / "feature_store.yaml"
    settings = yaml.safe_load(file.read_text())
    yield settings
    file.write_text(yaml.safe_dump(settings))
