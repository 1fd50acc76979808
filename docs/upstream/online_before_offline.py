"""A materialization whose offline write fails has served its rows online already."""

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
# The sink has a column more than the view: nothing can be written to it.
rows[:0].assign(more=0.0).to_parquet(folder / "sink.parquet")


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
store.apply([user, read, view])
try:
    store.materialize(now - pd.Timedelta(days=9), now, feature_views=["view"])
    failed = None
except Exception as error:
    failed = error
online = store.get_online_features(["view:score"], [{"user_id": 1}]).to_dict()["score"]
written = len(pd.read_parquet(folder / "sink.parquet"))
print(f"error: {failed!r:.60}, rows offline: {written}, online: {online}")
raise SystemExit(failed is not None and not written and online == [1.0])
