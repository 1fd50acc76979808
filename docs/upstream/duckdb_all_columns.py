"""Feast's duckdb store gives a transformation none of the columns that it is to read."""

import tempfile
from inspect import getsource
from pathlib import Path

import pandas as pd
from feast import BatchFeatureView, Entity, FeatureStore, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC").floor("s")
at = pd.Series([now - pd.Timedelta(days=1)]).astype("datetime64[us, UTC]")
rows = pd.DataFrame({"user_id": [1], "text": ["four"], "at": at})
rows.to_parquet(folder / "rows.parquet")


def lengths(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(length=rows.text.str.len().astype(float))


user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
view = BatchFeatureView(
    name="view",
    entities=[user],
    schema=[Field(name="length", dtype=Float64)],
    source=FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at"),
    mode="pandas",
    udf=lengths,
    udf_string=getsource(lengths),
    online=True,
)


def length(offline: str) -> object:
    store = FeatureStore(
        config=RepoConfig(
            project=offline,
            provider="local",
            registry=str(folder / f"{offline}.registry.db"),
            offline_store={"type": offline},
            online_store={"type": "sqlite", "path": str(folder / f"{offline}.db")},
            entity_key_serialization_version=3,
        )
    )
    store.apply([user, view])
    try:
        store.materialize(now - pd.Timedelta(days=9), now)
    except Exception as error:
        return repr(error)
    return store.get_online_features(["view:length"], [{"user_id": 1}]).to_dict()["length"]


found = {offline: length(offline) for offline in ("dask", "duckdb")}
print(found)
raise SystemExit(found["dask"] == [4.0] and found["duckdb"] != [4.0])
