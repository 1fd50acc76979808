"""An on-demand view of two views with features of one name reads one of them in both places."""

import tempfile
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC").floor("s")


def made(name: str, value: float) -> tuple[Entity, FeatureView]:
    rows = pd.DataFrame({f"{name}_id": [1], "score": [value], "at": [now - pd.Timedelta(days=1)]})
    rows.to_parquet(folder / f"{name}.parquet")
    entity = Entity(name=name, join_keys=[f"{name}_id"], value_type=ValueType.INT64)
    source = FileSource(name=name, path=str(folder / f"{name}.parquet"), timestamp_field="at")
    score = Field(name="score", dtype=Float64)
    return entity, FeatureView(
        name=f"{name}_view", entities=[entity], schema=[score], source=source
    )


(buyer, buyers), (seller, sellers) = made("buyer", 1.0), made("seller", 5.0)


@on_demand_feature_view(
    sources=[buyers, sellers], schema=[Field(name="seen", dtype=Float64)], mode="python"
)
def both(inputs: dict) -> dict:
    return {"seen": inputs["score"]}


store = FeatureStore(
    config=RepoConfig(
        project="p",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
)
store.apply([buyer, seller, buyers, sellers, both])
store.materialize(now - pd.Timedelta(days=9), now)
keys = [{"buyer_id": 1, "seller_id": 1}]
try:
    seen = store.get_online_features(["both:seen"], keys).to_dict()["seen"]
    refused = False
except Exception as error:
    seen, refused = repr(error), True
print(f"two features are named score, 1.0 and 5.0; the function reads {seen}")
raise SystemExit(not refused)
