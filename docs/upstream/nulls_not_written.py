"""A value that became null stays online: a write of nulls alone is skipped."""

import tempfile
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC").floor("s")
rows = pd.DataFrame({"user_id": [1], "score": [1.0], "at": [now - pd.Timedelta(days=1)]})
rows.to_parquet(folder / "rows.parquet")
user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
view = FeatureView(
    name="view",
    entities=[user],
    schema=[Field(name="score", dtype=Float64)],
    source=FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at"),
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
store.apply([user, view])
store.write_to_online_store("view", df=rows)
store.write_to_online_store("view", df=rows.assign(score=float("nan"), at=now))
online = store.get_online_features(["view:score"], [{"user_id": 1}]).to_dict()["score"]
print(f"written: 1.0, then null; online: {online}")
raise SystemExit(online == [1.0])
