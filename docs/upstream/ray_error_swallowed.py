"""On Ray, an error in a transformation is swallowed: untransformed rows are served."""

import tempfile
from inspect import getsource
from pathlib import Path

import pandas as pd
import ray
from feast import BatchFeatureView, Entity, FeatureStore, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC").floor("s")
rows = pd.DataFrame({"user_id": [1], "score": [1.0], "at": [now - pd.Timedelta(days=1)]})
rows.to_parquet(folder / "rows.parquet")


def broken(rows: pd.DataFrame) -> pd.DataFrame:
    raise ValueError("this text cannot be computed")


user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
view = BatchFeatureView(
    name="view",
    entities=[user],
    schema=[Field(name="score", dtype=Float64)],
    source=FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at"),
    mode="pandas",
    udf=broken,
    udf_string=getsource(broken),
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
try:
    store.materialize(now - pd.Timedelta(days=9), now)
    failed = None
except Exception as error:
    failed = error
online = store.get_online_features(["view:score"], [{"user_id": 1}]).to_dict()["score"]
ray.shutdown()
print(f"the function raises; materialize: {failed!r:.60}, online: {online}")
raise SystemExit(failed is None or online == [1.0])
