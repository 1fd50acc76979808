"""`materialize` leaves out a view that is to be written offline alone, without a word."""

import tempfile
from inspect import getsource
from pathlib import Path

import pandas as pd
from feast import (
    BatchFeatureView,
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    RepoConfig,
    ValueType,
)
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC").floor("s")
rows = pd.DataFrame({"user_id": [1], "score": [1.0], "at": [now - pd.Timedelta(days=1)]})
rows.to_parquet(folder / "rows.parquet")
rows[:0].to_parquet(folder / "sink.parquet")


def same(rows: pd.DataFrame) -> pd.DataFrame:
    return rows


user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
score = Field(name="score", dtype=Float64)
read = FeatureView(
    name="read",
    entities=[user],
    schema=[score],
    source=FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at"),
    online=False,
)
view = BatchFeatureView(
    name="view",
    entities=[user],
    schema=[score],
    source=[read],
    sink_source=FileSource(name="sink", path=str(folder / "sink.parquet"), timestamp_field="at"),
    mode="pandas",
    udf=same,
    udf_string=getsource(same),
    online=False,
    offline=True,
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
store.apply([user, read, view])
store.materialize(now - pd.Timedelta(days=9), now)
written = len(pd.read_parquet(folder / "sink.parquet"))
print(f"rows written offline: {written} of 1")
raise SystemExit(written != 1)
