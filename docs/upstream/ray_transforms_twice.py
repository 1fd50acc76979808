"""On Ray, a view that is computed from another one is transformed twice."""

import tempfile
from inspect import getsource
from pathlib import Path

import pandas as pd
import ray
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


def doubled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(score=rows.score * 2)


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
    udf=doubled,
    udf_string=getsource(doubled),
    online=True,
)
store = FeatureStore(
    config=RepoConfig(
        project="p",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        batch_engine={"type": "ray.engine"},
        entity_key_serialization_version=3,
    )
)
store.apply([user, read, view])
store.materialize(now - pd.Timedelta(days=9), now, feature_views=["view"])
online = store.get_online_features(["view:score"], [{"user_id": 1}]).to_dict()["score"]
ray.shutdown()
print(f"1.0 doubled is {online}")
raise SystemExit(online != [2.0])
