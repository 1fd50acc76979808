"""A feature of type Array(Float32) is taken for a number, and its view is not monitored at all."""

import tempfile
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.monitoring.monitoring_service import MonitoringService
from feast.types import Array, Float32, Float64

folder = Path(tempfile.mkdtemp())
at = pd.Timestamp("2026-01-01", tz="UTC")
rows = pd.DataFrame({"user_id": [1, 2], "score": 1.0, "vector": [[1.0, 2.0]] * 2, "at": at})
rows.to_parquet(folder / "rows.parquet")
entity = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
view = FeatureView(
    name="view",
    entities=[entity],
    schema=[Field(name="score", dtype=Float64), Field(name="vector", dtype=Array(Float32))],
    source=FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at"),
)
store = FeatureStore(
    config=RepoConfig(
        project="p",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
        repo_path=folder,
    )
)
store.apply([entity, view])
result = MonitoringService(store).auto_compute()
print(f"views computed: {result['computed_feature_views']} of 1")
raise SystemExit(result["computed_feature_views"] != 1)
