"""A small repository in files, as anyone has one: nothing of the sample's is in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner, Result

from embfeast import EmbfeastError
from embfeast.cli import app

STORE = """
project: reviews
provider: embfeast.plugin.TextFeatureProvider
registry:
  path: data/registry.db
  registry_store_type: embfeast.plugin.AtomicFileRegistryStore
  serve_features_while_materializing: true
online_store:
  type: sqlite
  path: data/online.db
offline_store:
  type: embfeast.plugin.DuckDBOfflineStore
batch_engine:
  type: embfeast.plugin.EmbeddingComputeEngine
  recipes: data/recipes
  cache: data/cache
entity_key_serialization_version: 3
"""
SOURCES = """
from embfeast.plugin import DuckDBSource

reviews = DuckDBSource(
    name="reviews", database="reviews.duckdb", table="reviews", text_columns="body",
    timestamp_field="written", created_timestamp_column="known", key_columns=["shop", "number"],
    label_column="stars",
)
"""
VIEWS = """
from pathlib import Path

from feast import Entity, FeatureService, ValueType

from embfeast.plugin import feature_views, live_view
from embfeast.recipe.versions import load_current
from sources import reviews

shop = Entity(name="shop", join_keys=["shop"], value_type=ValueType.STRING)
number = Entity(name="number", join_keys=["number"], value_type=ValueType.INT64)
fitted = load_current(Path(__file__).parent / "data" / "recipes")
batch = feature_views(fitted, source=reviews, entity=[shop, number], name="review")
live = live_view(fitted, name="review")
globals().update(batch | live)
stored = FeatureService(name="stored", features=[view for view in batch.values() if view.online])
one = FeatureService(name="one", features=[batch["review_cluster"]])
asked = FeatureService(name="asked", features=list(live.values()))
"""
RECIPE = """
name: reviews
tricks:
  reduced: {trick: embedding_reducer, n_components: 3}
  cluster: {trick: cluster_features, n_clusters: 2}
"""
SAYINGS = ["The soup was cold", "A lovely evening", "We waited an hour", "The bill was wrong"]


def run(*command: object) -> Result:
    """Run a command of embfeast in this process."""
    return run_with_code(0, *command)


def run_with_code(code: int, *command: object) -> Result:
    ended = CliRunner().invoke(app, [str(word) for word in command])
    assert ended.exit_code == code, ended.output + repr(ended.exception)
    return ended


def fails(*command: object) -> str:
    """Run a command that a user's mistake ends, and return what is said of it."""
    ended = CliRunner().invoke(app, [str(word) for word in command])
    assert ended.exit_code == 1
    assert isinstance(ended.exception, EmbfeastError), repr(ended.exception)
    return str(ended.exception)


def feast(repo: Path, *command: str) -> None:
    program = str(Path(sys.executable).with_name("feast"))
    subprocess.run(
        [program, "-c", str(repo), *command],
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )


def write(repo: Path, rows: list[tuple]) -> None:
    with duckdb.connect(str(repo / "reviews.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS reviews (shop VARCHAR, number BIGINT, body VARCHAR, "
            "written TIMESTAMPTZ, known TIMESTAMPTZ, stars VARCHAR)"
        )
        connection.executemany("INSERT INTO reviews VALUES (?, ?, ?, ?, ?, ?)", rows)


def review(number: int, day: int, shop: str = "north", known: int | None = None) -> tuple:
    body = None if number == 5 else f"{SAYINGS[number % 4]}, said guest {number}"
    moments = [f"2024-01-{one:02d}T12:00:00Z" for one in (day, known or day)]
    return (shop, number, body, *moments, "many" if number % 2 else "few")


@pytest.fixture
def repo(tmp_path):
    """Sixteen reviews of two shops in January 2024, not fitted."""
    folder = tmp_path / "my reviews"
    folder.mkdir()
    for name, text in [
        ("feature_store.yaml", STORE),
        ("sources.py", SOURCES),
        ("views.py", VIEWS),
        ("recipe.yaml", RECIPE),
    ]:
        (folder / name).write_text(text)
    write(folder, [review(i, i + 1, "north" if i < 8 else "south") for i in range(16)])
    return folder


@pytest.fixture(scope="session")
def _applied(tmp_path_factory):
    """Hold the fitted and applied repository once it was made."""
    return tmp_path_factory.mktemp("applied") / "repo"


@pytest.fixture
def applied(repo, _applied):
    """The same, fitted and applied."""
    if not _applied.exists():
        run("fit", "--repo", repo)
        feast(repo, "apply")
        shutil.copytree(repo, _applied)
    shutil.copytree(_applied, repo, dirs_exist_ok=True)
    return repo
