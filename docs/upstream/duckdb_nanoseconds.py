"""Feast's duckdb store reads no history where times are in nanoseconds, as pandas writes them."""

import tempfile
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC").floor("s")
at = pd.Series([now - pd.Timedelta(days=1)]).astype("datetime64[ns, UTC]")
pd.DataFrame({"user_id": [1], "score": [1.0], "at": at}).to_parquet(folder / "rows.parquet")
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
        offline_store={"type": "duckdb"},
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
)
store.apply([user, view])
asked = pd.DataFrame({"user_id": [1], "event_timestamp": [now]})
try:
    found = store.get_historical_features(asked, ["view:score"]).to_df()["score"].tolist()
except Exception as error:
    found = f"{error!r:.200}"
print(f"history: {found}")
raise SystemExit(found != [1.0])
