"""A vector search answers with a key and the distance and features of another one."""

import tempfile
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Array, Float32, Int64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC")
keys = [2, 3, 1]
# The key 2 lies nearest to (1, 0), then 3, then 1.
vectors = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]
rows = pd.DataFrame({"item_id": keys, "same_id": keys, "vector": vectors, "at": [now] * 3})
rows.to_parquet(folder / "rows.parquet")
entity = Entity(name="item", join_keys=["item_id"], value_type=ValueType.INT64)
view = FeatureView(
    name="view",
    entities=[entity],
    schema=[
        Field(name="vector", dtype=Array(Float32), vector_index=True, vector_length=2),
        Field(name="same_id", dtype=Int64),
    ],
    source=FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at"),
)
store = FeatureStore(
    config=RepoConfig(
        project="p",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "milvus", "uri": str(folder / "milvus.db"), "embedding_dim": 2},
        entity_key_serialization_version=3,
    )
)
store.apply([entity, view])
store.write_to_online_store("view", df=rows)
found = store.retrieve_online_documents_v2(
    features=["view:vector", "view:same_id"], query=[1.0, 0.0], top_k=3, distance_metric="COSINE"
).to_dict()
print(f"keys: {found['item_id']}, the same as a feature: {found['same_id']}")
raise SystemExit(found["item_id"] != [int(key) for key in found["same_id"]])
