"""An apply that changes nothing lets a view at version 1 read the online rows of version 0."""

import tempfile
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC")
rows = pd.DataFrame({"user_id": [1], "score": [0.0], "more": [0.0], "at": [now]})
rows.to_parquet(folder / "rows.parquet")
entity = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)


def view(*features: str) -> FeatureView:
    return FeatureView(
        name="view",
        entities=[entity],
        schema=[Field(name=name, dtype=Float64) for name in features],
        source=FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at"),
    )


def score() -> float:
    return store.get_online_features(["view:score"], [{"user_id": 1}]).to_dict()["score"][0]


registry = {"path": str(folder / "registry.db"), "enable_online_feature_view_versioning": True}
store = FeatureStore(
    config=RepoConfig(
        project="p",
        provider="local",
        registry=registry,
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
)
store.apply([entity, view("score")])
store.write_to_online_store("view", df=rows.drop(columns="more"))
store.apply([view("score", "more")])  # version 1
store.write_to_online_store("view", df=rows.assign(score=1.0))
first = score()
store.apply([view("score", "more")])  # nothing has changed
again = score()
print(f"version 1 says {first}; after an apply that changes nothing {again}")
raise SystemExit(first == 1.0 and again != 1.0)
