"""A feature service is read out of the cached registry anew at every request of the server."""

import tempfile
from pathlib import Path

from feast import (
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    RepoConfig,
    ValueType,
)
from feast.types import Float32

folder = Path(tempfile.mkdtemp())
entity = Entity(name="item", join_keys=["item_id"], value_type=ValueType.INT64)
view = FeatureView(
    name="view",
    entities=[entity],
    schema=[Field(name=f"number_{place}", dtype=Float32) for place in range(100)],
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
store.registry.apply_entity(entity, "p")
store.registry.apply_feature_view(view, "p")
store.registry.apply_feature_service(FeatureService(name="service", features=[view]), "p")

read = FeatureService.from_proto
times = 0


def counted(proto: object) -> FeatureService:
    global times
    times += 1
    return read(proto)


FeatureService.from_proto = counted
for _ in range(10):  # as _get_features of the feature server does
    store.get_feature_service("service", allow_cache=True)
print(f"ten requests read the service {times} times")
raise SystemExit(times != 1)
