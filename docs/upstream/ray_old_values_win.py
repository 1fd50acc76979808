"""On Ray, an old row of a key may be served: rows are deduplicated within their block alone."""

import tempfile
from inspect import getsource
from pathlib import Path

import pandas as pd
import ray
from feast import BatchFeatureView, Entity, FeatureStore, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC").floor("s")
# The newest row of each key comes first, and the blocks are written in their order.
count = 4000
at = [now - pd.Timedelta(days=1)] * count + [now - pd.Timedelta(days=5)] * count
keys = [*range(count), *range(count)]
scores = [1.0] * count + [0.0] * count
rows = pd.DataFrame({"user_id": keys, "score": scores, "at": at})
rows.to_parquet(folder / "rows.parquet")


def same(rows: pd.DataFrame) -> pd.DataFrame:
    return rows


user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
view = BatchFeatureView(
    name="view",
    entities=[user],
    schema=[Field(name="score", dtype=Float64)],
    source=FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at"),
    mode="pandas",
    udf=same,
    udf_string=getsource(same),
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
store.apply([user, view])
store.materialize(now - pd.Timedelta(days=9), now)
asked = [{"user_id": key} for key in range(count)]
online = store.get_online_features(["view:score"], asked).to_dict()["score"]
ray.shutdown()
print(f"keys with an old value: {online.count(0.0)} of {count}")
raise SystemExit(online.count(0.0) > 0)
