"""A transformation that uses a name of its module fails once the registry has been read."""

import tempfile
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, Field, FileSource, RepoConfig, ValueType
from feast.batch_feature_view import batch_feature_view
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC").floor("s")
rows = pd.DataFrame({"user_id": [1], "score": [1.0], "at": [now - pd.Timedelta(days=1)]})
rows.to_parquet(folder / "rows.parquet")
user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
FACTOR = 2


@batch_feature_view(
    entities=[user],
    schema=[Field(name="doubled", dtype=Float64)],
    source=FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at"),
    mode="pandas",
    offline=False,
)
def doubled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(doubled=rows.score * FACTOR)


store = FeatureStore(
    config=RepoConfig(
        project="p",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
)
store.apply([user, doubled])
try:
    store.materialize(now - pd.Timedelta(days=9), now)
    failed = None
except NameError as error:  # dill has the name; the text that is preferred to it has not
    failed = error
print(f"materialize: {failed!r}")
raise SystemExit(failed is not None)
