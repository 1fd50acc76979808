"""Feature repositories of files, as a user has them: messages in DuckDB, fitted, maybe applied."""

from pathlib import Path

import duckdb
import pandas as pd
from feast import Entity, ValueType

from embfeast import Recipe
from embfeast.commands.console import open_repository
from embfeast.encoding import EmbeddingCache, Encoder
from embfeast.plugin import feature_views
from embfeast.recipe.versions import save_version
from embfeast.repository.fitting import fit_on_source
from embfeast.repository.sources import text_source

STORE = """
project: messages
provider: embfeast.plugin.TextFeatureProvider
registry:
  path: data/registry.db
  registry_store_type: embfeast.plugin.AtomicFileRegistryStore
online_store: {type: sqlite, path: data/online.db}
offline_store: {type: embfeast.plugin.DuckDBOfflineStore}
batch_engine: {type: embfeast.plugin.EmbeddingComputeEngine}
entity_key_serialization_version: 3
"""
SOURCES = """
from embfeast.plugin import DuckDBSource

messages = DuckDBSource(
    name="messages",
    database="data/messages.duckdb",
    table="messages",
    text_columns="text",
    timestamp_field="written_at",
    key_columns="message_id",
    label_column={label!r},
)
"""
PERIOD = pd.Timestamp("2020-01-01", tz="UTC"), pd.Timestamp("2030-01-01", tz="UTC")
EVERY_TRICK = {
    "similarity": {
        "trick": "anchor_similarity",
        "anchors": {"money": "a wrong charge", "parcel": "a late parcel", "login": "cannot log in"},
    },
    "reduced": {"trick": "embedding_reducer", "n_components": 6},
    "cluster": {"trick": "cluster_features", "n_clusters": 3},
    "whitened": {"trick": "whitener"},
    "pooled": {"trick": "token_pooler"},
    "products": {"trick": "feature_synthesizer", "n_components": 3},
    "pair": {"trick": "pair_interaction", "input": "reduced"},
}


def make_repository(
    path: Path,
    messages: pd.DataFrame,
    tricks: dict,
    *,
    label: str | None = None,
    applied: bool = False,
    encoder: Encoder | None = None,
) -> Path:
    """Write a repository of `message_id`, `text`, `written_at` and any label, and fit it."""
    (path / "data").mkdir(parents=True)
    with duckdb.connect(str(path / "data" / "messages.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("given", messages)
        connection.execute("CREATE TABLE messages AS FROM given")
    (path / "feature_store.yaml").write_text(STORE)
    (path / "sources.py").write_text(SOURCES.format(label=label))
    source = text_source(path)
    encoder = encoder or Encoder(cache=EmbeddingCache(path / "data" / "cache"))
    fitted = fit_on_source(
        Recipe({"name": "messages", "tricks": tricks}), source, path, ["message_id"],
        encoder=encoder,
    )  # fmt: skip
    save_version(path / "data" / "recipes", fitted)
    if applied:
        message = Entity(name="message", join_keys=["message_id"], value_type=ValueType.INT64)
        views = feature_views(fitted, source=source, entity=message)
        store = open_repository(path).store
        store.apply([message, *views.values()])
        store.materialize(*PERIOD)
    return path
