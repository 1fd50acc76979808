"""A saved dataset is not read where its entity rows call their time other than event_timestamp."""

import tempfile
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC").floor("s")
rows = pd.DataFrame({"user_id": [1], "score": [1.0], "at": [now - pd.Timedelta(days=1)]})
rows.to_parquet(folder / "rows.parquet")
user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
view = FeatureView(
    name="view",
    entities=[user],
    schema=[Field(name="score", dtype=Float64)],
    source=FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at"),
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
asked = pd.DataFrame({"user_id": [1], "asked_at": [now]})
store.create_saved_dataset(
    from_=store.get_historical_features(asked, ["view:score"]),
    name="training",
    storage=SavedDatasetFileStorage(path=str(folder / "saved.parquet")),
)
try:
    store.get_saved_dataset("training").to_df()
    failed = None
except Exception as error:
    failed = error
print(
    f"columns saved: {list(pd.read_parquet(folder / 'saved.parquet'))}; reading it: {failed!r:.90}"
)
raise SystemExit(failed is not None)
