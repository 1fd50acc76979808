"""A small real feature repository over reviews: DuckDB, SQLite, the real model."""

import shutil
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from feast import Entity, FeatureService, FeatureStore, PushSource, ValueType
from feast.repo_config import RepoConfig

from embfeast import Recipe
from embfeast.encoding import EmbeddingCache, Encoder
from embfeast.plugin import DuckDBSource, feature_views, live_view, pair_view
from embfeast.recipe.versions import save_version
from embfeast.repository.fitting import fit_on_source

DAY = pd.Timestamp("2026-03-01", tz="UTC")
WORDS = ["invoice", "parcel", "login", "refund", "crash", "speed", "export", "address"]
SETTINGS = {
    "name": "reviews",
    "tricks": {
        "embedding": {"trick": "embedding"},
        "similarity": {"trick": "anchor_similarity", "anchors": {"billing": "a wrong bill"}},
        "reduced": {"trick": "embedding_reducer", "n_components": 4},
        "cluster": {"trick": "cluster_features", "n_clusters": 2},
        "whitened": {"trick": "whitener"},
        "pooled": {"trick": "token_pooler"},
        "products": {"trick": "feature_synthesizer", "input": "reduced", "n_components": None},
        "pair": {"trick": "pair_interaction", "input": "reduced", "n_components": 3},
    },
}


def day(number: float) -> pd.Timestamp:
    return DAY + pd.Timedelta(days=number)


class Repo:
    """A feature repository in a folder, with what a test does to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipes = path / "data" / "recipes"
        self.review = Entity(name="review", join_keys=["review_id"], value_type=ValueType.INT64)
        self.other = Entity(
            name="other_review", join_keys=["other_review_id"], value_type=ValueType.INT64
        )
        self.source = DuckDBSource(
            name="reviews",
            database="data/reviews.duckdb",
            table="reviews",
            text_columns=["title", "body"],
            timestamp_field="written_at",
            created_timestamp_column="known_at",
        )
        (path / "data").mkdir(parents=True, exist_ok=True)

    def push_source(self) -> PushSource:
        return PushSource(name="review_push", batch_source=self.source)

    def write_texts(self, rows: list[tuple]) -> None:
        with duckdb.connect(str(self.path / "data" / "reviews.duckdb")) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS reviews (review_id BIGINT, title VARCHAR, "
                "body VARCHAR, written_at TIMESTAMPTZ, known_at TIMESTAMPTZ)"
            )
            connection.executemany("INSERT INTO reviews VALUES (?, ?, ?, ?, ?)", rows)

    def fit(self, as_of: pd.Timestamp, settings: dict = SETTINGS):
        fitted = fit_on_source(
            Recipe(settings),
            self.source,
            self.path,
            ["review_id"],
            as_of=as_of,
            encoder=Encoder(cache=EmbeddingCache(self.path / "data" / "cache")),
        )
        save_version(self.recipes, fitted)
        return fitted

    def config(self, **engine) -> RepoConfig:
        return RepoConfig(
            project="reviews",
            provider="embfeast.plugin.TextFeatureProvider",
            registry={
                "path": str(self.path / "data" / "registry.db"),
                "registry_store_type": "embfeast.plugin.AtomicFileRegistryStore",
                "serve_features_while_materializing": True,
            },
            online_store={"type": "sqlite", "path": str(self.path / "data" / "online.db")},
            offline_store={"type": "embfeast.plugin.DuckDBOfflineStore"},
            batch_engine={
                "type": "embfeast.plugin.EmbeddingComputeEngine",
                "chunk_rows": 5,
                **engine,
            },
            entity_key_serialization_version=3,
            repo_path=self.path,
        )

    def store(self) -> FeatureStore:
        return FeatureStore(config=self.config())

    def apply(self, fitted, source=None) -> FeatureStore:
        views = feature_views(fitted, source=source or self.source, entity=self.review)
        pairs = pair_view(fitted, views, entity=self.review, other=self.other)
        live = live_view(fitted, name="review")
        served = [view for view in views.values() if view.online]
        services = [
            FeatureService(name="all", features=served),
            FeatureService(name="live", features=list(live.values())),
            FeatureService(name="pair", features=[pairs["review_pair"]]),
        ]
        store = self.store()
        everything = {**views, **pairs, **live}
        store.apply([self.review, self.other, *everything.values(), *services])
        return store

    def training_set(self, store, entities, **options) -> pd.DataFrame:
        service = store.get_feature_service("all")
        return store.get_historical_features(entities, service, **options).to_df()

    def lookup(self, store, keys, service="all") -> dict[str, list]:
        rows = [{"review_id": key} for key in keys]
        return store.get_online_features(store.get_feature_service(service), rows).to_dict()

    def pairs(self, store, rows) -> dict[str, list]:
        return store.get_online_features(store.get_feature_service("pair"), rows).to_dict()


def sample_rows() -> list[tuple]:
    """Twelve reviews; the third is edited later, the fourth arrives late, the fifth is blank."""
    rows = [
        (i, WORDS[i % 8], f"Something about the {WORDS[i % 8]} of number {i}", day(i), day(i))
        for i in range(12)
    ]
    rows[4] = (4, None, "  ", day(4), day(4))
    rows[3] = (*rows[3][:4], day(6))
    rows.append((2, "login", "I have changed my mind, it works now", day(9), day(9)))
    return rows


@pytest.fixture
def repo(tmp_path):
    made = Repo(tmp_path / "repo")
    made.write_texts(sample_rows())
    return made


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A repository fitted on the first eight days, applied and materialized, to be copied."""
    made = Repo(tmp_path_factory.mktemp("whole") / "repo")
    made.write_texts(sample_rows())
    fitted = made.fit(day(8))
    made.apply(fitted).materialize(day(-1), day(20))
    return made, fitted


@pytest.fixture
def ready(whole, tmp_path):
    """A copy of it for one test."""
    return copied(whole, tmp_path)


def copied(given, folder):
    made, fitted = given
    repo = Repo(shutil.copytree(made.path, folder / "repo"))
    return repo, repo.store(), fitted


@pytest.fixture(scope="session")
def pushable(tmp_path_factory):
    """A repository with a source that texts can be pushed to, to be copied."""
    made = Repo(tmp_path_factory.mktemp("pushable") / "repo")
    made.write_texts(sample_rows())
    fitted = made.fit(day(8))
    made.apply(fitted, made.push_source()).materialize(day(-1), day(20))
    return made, fitted


@pytest.fixture
def pushed(pushable, tmp_path):
    return copied(pushable, tmp_path)


@pytest.fixture(scope="module")
def materialized(whole, tmp_path_factory):
    """A copy of the whole repository for the tests of a module that only read."""
    return copied(whole, tmp_path_factory.mktemp("materialized"))
