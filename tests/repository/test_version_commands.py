"""Two recipes online at once on real servers, by the commands that a user types."""

import contextlib
import json
import sys
import uuid
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
import yaml
from click import testing as click_testing
from feast import FeatureStore
from feast.cli.cli import cli as feast_cli
from typer.testing import CliRunner

from embfeast import EmbfeastError
from embfeast.cli import app
from embfeast.recipe.versions import current_digest
from embfeast.repository import Repository, materialize, promoting
from embfeast.repository.check.verify import verify
from tests.services import POSTGRES, REDIS, postgres_database, redis_keys
from tests.small_repository import Repo, day, sample_rows

pytestmark = pytest.mark.slow

SETTINGS = {
    "name": "reviews",
    "tricks": {"reduced": {"trick": "embedding_reducer", "n_components": 4}},
}
VIEWS = """
from pathlib import Path

from feast import Entity, ValueType

from embfeast.plugin import DuckDBSource, feature_views
from embfeast.recipe.versions import load_current

review = Entity(name="review", join_keys=["review_id"], value_type=ValueType.INT64)
reviews = DuckDBSource(
    name="reviews", database="data/reviews.duckdb", table="reviews",
    text_columns=["title", "body"], timestamp_field="written_at",
    created_timestamp_column="known_at",
)
fitted = load_current(Path(__file__).parent / "data" / "recipes")
globals().update(feature_views(fitted, source=reviews, entity=review))
"""
PERIOD = (day(-1).strftime("%Y-%m-%dT00:00:00"), day(20).strftime("%Y-%m-%dT00:00:00"))
ROWS = [{"review_id": key} for key in range(12)]
NAMES = ("reduced", "review_reduced_digest", "embfeast_status")


class FileRepo(Repo):
    """The small repository as files, with a place for each version online."""

    def __init__(self, path: Path, online_store: dict) -> None:
        super().__init__(path)
        settings = {
            "project": f"embfeast_{uuid.uuid4().hex[:12]}",
            "provider": "embfeast.plugin.TextFeatureProvider",
            "registry": {
                "path": "data/registry.db",
                "registry_store_type": "embfeast.plugin.AtomicFileRegistryStore",
                "enable_online_feature_view_versioning": True,
            },
            "online_store": online_store,
            "offline_store": {"type": "embfeast.plugin.DuckDBOfflineStore"},
            "batch_engine": {"type": "embfeast.plugin.EmbeddingComputeEngine"},
            "entity_key_serialization_version": 3,
        }
        self.project = settings["project"]
        (path / "feature_store.yaml").write_text(yaml.safe_dump(settings))
        (path / "views.py").write_text(VIEWS)

    def store(self) -> FeatureStore:
        return FeatureStore(repo_path=self.path)

    def feast(self, *words: str) -> str:
        try:
            with contextlib.chdir(self.path), patch.object(sys, "path", list(sys.path)):
                words = ("-c", str(self.path), *words)
                return said(click_testing.CliRunner().invoke(feast_cli, words))
        finally:
            sys.modules.pop("views", None)  # a process of its own would leave it to nobody

    def embfeast(self, *words: str) -> str:
        return said(CliRunner().invoke(app, [*words, "--repo", str(self.path)]))

    def read(self, version: str = "") -> dict[str, list]:
        asked = [f"review_reduced{version}:{name}" for name in NAMES[:2]]
        found = self.store().get_online_features(asked, ROWS).to_dict()
        return {name: found[name] for name in NAMES}


def said(done) -> str:
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(params=["sqlite", "redis", "postgres", "dynamodb"])
def made(request, tmp_path):
    """A repository with one recipe online, and what its rows say."""
    path = tmp_path / "repo"
    if request.param == "sqlite":
        yield begun(FileRepo(path, {"type": "sqlite", "path": "data/online.db"}))
    elif request.param == "redis":
        place = f"{REDIS['host']}:{REDIS['port']}"
        repo = FileRepo(path, {"type": "redis", "connection_string": place})
        with redis_keys(repo.project):
            yield begun(repo)
    elif request.param == "dynamodb":
        yield begun(FileRepo(path, request.getfixturevalue("dynamodb")))
    else:
        with postgres_database() as database:
            online = {"type": "postgres", "database": database, "sslmode": "disable", **POSTGRES}
            yield begun(FileRepo(path, online))


def begun(repo: FileRepo) -> FileRepo:
    repo.write_texts(sample_rows())
    repo.fit(day(8), SETTINGS)
    repo.feast("apply")
    repo.feast("materialize", *PERIOD)
    return repo


def test_the_commands_keep_two_recipes_apart_and_free_the_rows_of_one(made):
    old, before = current_digest(made.recipes), made.read()
    assert before["embfeast_status"] == ["current"] * 12
    new = made.fit(day(11), SETTINGS).digest
    made.feast("apply", "--no-promote")
    listed = made.feast("feature-views", "list-versions", "review_reduced")
    assert "v0" in listed
    assert "v1" in listed
    materialize(made.store())  # the promoted one goes on being materialized
    made.feast("materialize", *PERIOD, "--views", "review_reduced", "--version", "v1")
    assert made.read() == made.read("@v0") == before
    beside = made.read("@v1")
    assert set(beside["review_reduced_digest"]) == {new}
    assert beside["embfeast_status"] == ["current"] * 12
    assert beside["reduced"] != before["reduced"]

    assert made.embfeast("promote", new[:12]) == "promoted: review_reduced@v1\n"
    assert made.read() == beside
    assert made.read("@v0") == before
    assert made.embfeast("promote", old[:12], "--drop") == (
        "online rows freed: 12 of review_reduced@v0\n"
    )
    assert made.read("@v0")["reduced"] == [None] * 12
    assert made.read() == beside, "the promoted version has kept its rows"
    said = made.embfeast("promote", old[:12], "--drop", "--json")
    assert json.loads(said) == {"review_reduced@v0": 0}

    made.feast("materialize", *PERIOD, "--views", "review_reduced", "--version", "v0")
    assert made.read("@v0") == before, "its rows are brought back"
    assert made.read() == beside


def test_a_promotion_that_is_killed_before_its_end_is_in_force_and_done_by_the_same_command(
    made, monkeypatch
):
    old, before = current_digest(made.recipes), made.read()
    new = made.fit(day(11), SETTINGS).digest
    made.feast("apply", "--no-promote")
    made.store().materialize(day(-1), day(20), feature_views=["review_reduced"], version="v1")
    beside = made.read("@v1")
    promoting.promote(made.store(), old)
    with monkeypatch.context() as changed:
        changed.setattr(promoting, "make_current", lambda *_: killed())
        with pytest.raises(KeyboardInterrupt):
            promoting.promote(made.store(), new)

    assert current_digest(made.recipes) == old
    assert made.read() == beside
    assert made.read("@v0") == before
    materialize(made.store())
    assert made.read() == beside
    assert [one for one in verify(made.store(), sample=None) if not one.ok] == []
    entities = pd.DataFrame({"review_id": range(12), "event_timestamp": [day(20)] * 12})
    assert len(made.store().get_historical_features(entities, ["review_reduced:reduced"]).to_df())

    promoting.promote(made.store(), new)
    assert current_digest(made.recipes) == new
    assert made.read() == beside
    made.feast("apply")
    assert made.read() == beside
    assert len(made.store().list_feature_view_versions("review_reduced")) == 2


def killed() -> None:
    raise KeyboardInterrupt


def test_a_registry_that_cannot_be_written_moves_nothing(made, monkeypatch):
    old, before = current_digest(made.recipes), made.read()
    new = made.fit(day(11), SETTINGS).digest
    made.feast("apply", "--no-promote")
    promoting.promote(made.store(), old)
    opened = Repository.of(made.store())
    monkeypatch.setattr(opened.store.registry, "commit", lambda: killed())
    with pytest.raises(KeyboardInterrupt):
        promoting.promote(opened, new)
    assert current_digest(made.recipes) == old
    assert made.read() == before


def test_a_recipe_that_was_lost_is_not_promoted(made):
    before = made.read()
    new = made.fit(day(11), SETTINGS).digest
    made.feast("apply", "--no-promote")
    (made.recipes / new / "manifest.json").unlink()
    with pytest.raises(EmbfeastError, match=f"recipe {new[:12]} is not in"):
        promoting.promote(made.store(), new)
    assert made.read() == before
