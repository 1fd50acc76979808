"""A transformed view writes the newest row of each key alone: its history is lost offline."""

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
times = [now - pd.Timedelta(days=days) for days in (3, 2, 1)]
rows = pd.DataFrame({"user_id": 1, "score": [1.0, 2.0, 3.0], "at": times})
rows.to_parquet(folder / "rows.parquet")
rows[:0].rename(columns={"score": "doubled"}).to_parquet(folder / "sink.parquet")


def double(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(doubled=rows.score * 2).drop(columns="score")


user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
read = FeatureView(
    name="read",
    entities=[user],
    schema=[Field(name="score", dtype=Float64)],
    source=FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at"),
    online=False,
)
doubled = BatchFeatureView(
    name="doubled",
    entities=[user],
    schema=[Field(name="doubled", dtype=Float64)],
    source=[read],
    sink_source=FileSource(name="sink", path=str(folder / "sink.parquet"), timestamp_field="at"),
    mode="pandas",
    udf=double,
    udf_string=getsource(double),
    online=True,
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
store.apply([user, read, doubled])
store.materialize(now - pd.Timedelta(days=9), now, feature_views=["doubled"])
written = pd.read_parquet(folder / "sink.parquet")
print(f"rows in the source: {len(rows)}, in the sink: {len(written)}")
raise SystemExit(len(written) < len(rows))
