"""A transformation of two views cannot be materialized: it takes one input."""

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


def total(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    both = left.merge(right.drop(columns="at"), on="user_id")
    return both.assign(total=both.one + both.two)


user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)


def source(name: str, column: str) -> FileSource:
    rows = pd.DataFrame({"user_id": [1], column: [1.0], "at": [now - pd.Timedelta(days=1)]})
    rows.to_parquet(folder / f"{name}.parquet")
    return FileSource(name=name, path=str(folder / f"{name}.parquet"), timestamp_field="at")


read = [
    FeatureView(
        name=f"read_{name}",
        entities=[user],
        schema=[Field(name=name, dtype=Float64)],
        source=source(name, name),
        online=False,
    )
    for name in ("one", "two")
]
view = BatchFeatureView(
    name="view",
    entities=[user],
    schema=[Field(name="total", dtype=Float64)],
    source=read,
    sink_source=source("sink", "total"),
    mode="pandas",
    udf=total,
    udf_string=getsource(total),
    online=True,
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
store.apply([user, *read, view])
try:
    store.materialize(now - pd.Timedelta(days=9), now, feature_views=["view"])
    failed = None
except Exception as error:
    failed = error
print(f"materialize a view of two views: {failed!r}")
raise SystemExit(failed is not None)
