"""Names with quotes, blanks, Unicode, dots and slashes: quoted, or refused."""

import duckdb
import pandas as pd
import pytest
from feast import Entity, FeatureService, FeatureStore, ValueType
from feast.repo_config import RepoConfig

from embfeast import EmbfeastError, Recipe
from embfeast.plugin import DuckDBSource, feature_views
from embfeast.recipe.versions import save_version
from embfeast.texts.database import quote
from tests.small_repository import day

pytestmark = pytest.mark.slow

ODD = ['review "id"', "größe; DROP TABLE x", "鍵 'k'", "a b/c", "../up"]


@pytest.mark.parametrize("name", ODD)
def test_tables_and_columns_of_any_name_go_from_text_to_lookup(tmp_path, name):
    table, key, text, time = (f"{name} {part}" for part in ("table", "key", "text", "time"))
    path = tmp_path / f"folder [1] {name.replace('/', '_')}"
    (path / "data").mkdir(parents=True)
    with duckdb.connect(str(path / "data" / "texts.duckdb")) as database:
        database.execute(
            f"CREATE TABLE {quote(table)} ({quote(key)} VARCHAR, {quote(text)} VARCHAR, "
            f"{quote(time)} TIMESTAMPTZ)"
        )
        database.executemany(
            f"INSERT INTO {quote(table)} VALUES (?, ?, ?)",
            [(f"{name} {i}", f"text number {i}", day(i)) for i in range(4)],
        )
    source = DuckDBSource(
        name="texts", database="data/texts.duckdb", table=table, text_columns=text,
        timestamp_field=time,
    )  # fmt: skip
    entity = Entity(name="thing", join_keys=[key], value_type=ValueType.STRING)
    fitted = Recipe({"tricks": {"embedding": {"trick": "embedding"}}}).fit(["one", "two"])
    save_version(path / "data" / "recipes", fitted)
    store = FeatureStore(
        config=RepoConfig(
            project="names",
            provider="embfeast.plugin.TextFeatureProvider",
            registry=str(path / "data" / "registry.db"),
            online_store={"type": "sqlite", "path": str(path / "data" / "online.db")},
            offline_store={"type": "embfeast.plugin.DuckDBOfflineStore"},
            batch_engine={"type": "embfeast.plugin.EmbeddingComputeEngine"},
            entity_key_serialization_version=3,
            repo_path=path,
        )
    )
    views = feature_views(fitted, source=source, entity=entity)
    service = FeatureService(name="all", features=[views["thing_embedding"]])
    store.apply([entity, *views.values(), service])
    store.materialize(day(-1), day(9))
    rows = pd.DataFrame({key: [f"{name} 2"], "event_timestamp": [day(5)]})
    trained = store.get_historical_features(rows, service).to_df()["embedding"][0]
    found = store.get_online_features(service, [{key: f"{name} 2"}]).to_dict()["embedding"][0]
    assert list(trained) == found


@pytest.mark.parametrize("name", ["Größe", "a b", "../up", "a/b", "", "x" * 61, "1st", 'a"b'])
def test_entries_of_a_recipe_become_folders_and_features_so_only_plain_names_are_taken(name):
    with pytest.raises(EmbfeastError):
        Recipe({"tricks": {name: {"trick": "embedding"}}})


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE reviews",
        "INSERT INTO reviews VALUES (1)",
        "SELECT 1; DELETE FROM reviews",
        "COPY reviews TO 'out.csv'",
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
        "SET threads = 1",
        "CREATE TABLE x AS SELECT 1",
        "PRAGMA database_list",
        "SELECT * FROM read_csv('/etc/hostname')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT * FROM glob('/*')",
        "WITH x AS (SELECT 1) DELETE FROM reviews",
        "not SQL at all",
    ],
)
def test_entity_sql_only_reads_and_only_the_text_database(ready, sql):
    repo, store, _ = ready
    before = (repo.path / "data" / "reviews.duckdb").read_bytes()
    with pytest.raises(EmbfeastError):
        repo.training_set(store, sql)
    assert (repo.path / "data" / "reviews.duckdb").read_bytes() == before
