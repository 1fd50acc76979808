"""A push to a view with a transformation stores its input, whatever `transform_on_write` says."""

import tempfile
from inspect import getsource
from pathlib import Path

import pandas as pd
from feast import (
    Entity,
    FeatureStore,
    Field,
    FileSource,
    PushSource,
    RepoConfig,
    StreamFeatureView,
    ValueType,
)
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC").floor("s")
rows = pd.DataFrame({"user_id": [1], "score": [1.0], "at": [now]})
rows.to_parquet(folder / "rows.parquet")


def double(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(score=rows.score * 2)


user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
table = FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at")
view = StreamFeatureView(
    name="view",
    entities=[user],
    schema=[Field(name="score", dtype=Float64)],
    source=PushSource(name="pushed", batch_source=table),
    timestamp_field="at",
    mode="pandas",
    udf=double,
    udf_string=getsource(double),
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
store.apply([user, view])
store.push("pushed", rows, transform_on_write=True)
online = store.get_online_features(["view:score"], [{"user_id": 1}]).to_dict()["score"]
print(f"pushed 1.0, the view doubles it; online: {online}")
raise SystemExit(online == [1.0])
