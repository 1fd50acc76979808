"""A baseline of one more feature ends the baselines of the view's other features."""

import tempfile
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.monitoring.monitoring_service import MonitoringService
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
at = pd.Timestamp("2026-01-01", tz="UTC")
rows = pd.DataFrame({"user_id": range(9), "one": 1.0, "two": 2.0, "at": at})
rows.to_parquet(folder / "rows.parquet")
entity = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
view = FeatureView(
    name="view",
    entities=[entity],
    schema=[Field(name="one", dtype=Float64), Field(name="two", dtype=Float64)],
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
monitoring = MonitoringService(store)
monitoring.compute_baseline("p", "view", ["one"])
monitoring.compute_baseline("p", "view", ["two"])
kept = [row["feature_name"] for row in monitoring.get_baseline("p")]
print(f"features with a baseline: {kept}")
raise SystemExit(sorted(kept) != ["one", "two"])
