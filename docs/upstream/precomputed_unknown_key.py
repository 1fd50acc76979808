"""With `precompute_online` one key that has no vector makes the whole request an error."""

import os
import tempfile
from pathlib import Path

import pandas as pd
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
server = f"{os.environ.get('REDIS_HOST', '127.0.0.1')}:{os.environ.get('REDIS_PORT', '6379')}"
store = FeatureStore(
    config=RepoConfig(
        project=f"p{os.getpid()}",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "redis", "connection_string": server},
        entity_key_serialization_version=3,
    )
)
plain = FeatureService(name="plain", features=[view])
fast = FeatureService(name="fast", features=[view], precompute_online=True)
store.apply([user, view, plain, fast])
store.materialize(now - pd.Timedelta(days=9), now)


def read(service: str) -> object:
    keys = [{"user_id": 1}, {"user_id": 2}]
    asked = store.get_feature_service(service)
    try:
        found = store.get_online_features(asked, keys, full_feature_names=True)
    except Exception as error:
        return repr(error)
    return found.to_dict()["view__score"]


found = {name: read(name) for name in ("plain", "fast")}
print(found)
store.teardown()
raise SystemExit(found["plain"] == [1.0, None] and found["fast"] != found["plain"])
