import multiprocessing
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pytest

from embfeast.plugin.feature_table import feature_table, is_ours
from embfeast.tables.table import Table
from tests.small_repository import Repo, day, ready, repo, sample_rows

__all__ = ["ready", "repo"]  # fixtures of the small repository


@pytest.fixture(scope="session")
def processes():
    """Processes that start at once: what they need is imported already, no model is open."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.reliability.runs", "onnxruntime", "sklearn.cluster"])
    return context


def ended(process, seconds):
    """Run a process for so long, and kill it then; return how it ended and after how long."""
    began = time.monotonic()
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode, time.monotonic() - began


@pytest.fixture(scope="session")
def applied(tmp_path_factory):
    """A repository that was applied and never materialized, its texts encoded already."""
    repo = Repo(tmp_path_factory.mktemp("applied") / "repo")
    more = [
        (100 + i, "more", f"Another text, number {i}", day(i / 4), day(i / 4)) for i in range(60)
    ]
    repo.write_texts(sample_rows() + more)
    store = repo.apply(repo.fit(day(8)))
    store.materialize(day(-1), day(400))  # fills the cache; what it stored is removed again
    shutil.rmtree(repo.path / "data" / "features")
    (repo.path / "data" / "online.db").unlink()
    return repo, repo.apply(_fitted(repo))


def _fitted(repo):
    from embfeast.recipe.versions import load_current

    return load_current(repo.recipes)


@pytest.fixture
def fresh(applied, tmp_path):
    """A copy of that repository for one test."""
    shutil.copytree(applied[0].path, tmp_path / "repo")
    return Repo(tmp_path / "repo")


def our_views(repo: Repo) -> list:
    """Return the views that a recipe computes."""
    return [view for view in repo.store().list_batch_feature_views() if is_ours(view)]


def offline(repo: Repo) -> dict[str, pa.Table]:
    """Return every view's rows in one order."""
    found = {}
    for view in our_views(repo):
        table = opened(repo, view)
        keys = ", ".join(field.name for field in view.entity_columns)
        found[view.name] = table.query(
            f"SELECT * FROM {table.scan()} ORDER BY {keys}, event_timestamp, created_timestamp"
        )
    return found


def opened(repo: Repo, view) -> Table:
    """Return the feature table of a view."""
    return Table.open(feature_table(view, repo.config()).place)


def online(repo: Repo) -> dict[str, list]:
    """Return what a lookup of every key gives."""
    keys = [*range(12), *range(100, 160)]
    return repo.lookup(repo.store(), keys)


@pytest.fixture(scope="session")
def expected(applied, tmp_path_factory):
    """What an uninterrupted run stores."""
    path = tmp_path_factory.mktemp("expected") / "repo"
    shutil.copytree(applied[0].path, path)
    repo = Repo(Path(path))
    repo.store().materialize(day(-1), day(400))
    return offline(repo), online(repo)


def assert_right(repo: Repo, expected) -> None:
    assert offline(repo) == expected[0]
    assert str(online(repo)) == str(expected[1])
