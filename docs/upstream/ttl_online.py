"""A row older than its view's ttl is served online, where history gives none."""

import tempfile
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC")
old = pd.DataFrame({"user_id": [1], "score": [1.0], "at": [now - timedelta(days=10)]})
old.to_parquet(folder / "rows.parquet")
entity = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
view = FeatureView(
    name="view",
    entities=[entity],
    schema=[Field(name="score", dtype=Float64)],
    source=FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at"),
    ttl=timedelta(days=1),
)
store = FeatureStore(
    config=RepoConfig(
        project="p",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
)
store.apply([entity, view])
store.materialize(now - timedelta(days=30), now)
online = store.get_online_features(["view:score"], [{"user_id": 1}]).to_dict()["score"]
asked = pd.DataFrame({"user_id": [1], "event_timestamp": [now]})
offline = store.get_historical_features(asked, ["view:score"]).to_df()["score"].dropna().tolist()
print(f"history: {offline}, online: {online}")
raise SystemExit(online != [None] and not offline)
