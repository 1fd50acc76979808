"""A saved dataset comes back without the other columns of its entity rows: the labels are lost."""

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
asked = pd.DataFrame({"user_id": [1], "event_timestamp": [now], "label": ["yes"]})
store.create_saved_dataset(
    from_=store.get_historical_features(asked, ["view:score"]),
    name="training",
    storage=SavedDatasetFileStorage(path=str(folder / "saved.parquet")),
)
saved = list(pd.read_parquet(folder / "saved.parquet"))
given = list(store.get_saved_dataset("training").to_df())
print(f"columns saved: {saved}, given back: {given}")
raise SystemExit("label" in saved and "label" not in given)
