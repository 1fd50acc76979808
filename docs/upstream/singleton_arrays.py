"""An on-demand view with `singleton=True` cannot give an array."""

import tempfile
from pathlib import Path

from feast import FeatureStore, Field, RepoConfig, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Float64

folder = Path(tempfile.mkdtemp())
asked = RequestSource(name="asked", schema=[Field(name="number", dtype=Float64)])


@on_demand_feature_view(
    sources=[asked],
    schema=[Field(name="pair", dtype=Array(Float64))],
    mode="python",
    singleton=True,
)
def paired(inputs: dict) -> dict:
    return {"pair": [inputs["number"], 2.0]}


store = FeatureStore(
    config=RepoConfig(
        project="p",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
)
try:
    store.apply([paired])
    rows = [{"number": 1.0}, {"number": 3.0}]
    got = store.get_online_features(["paired:pair"], rows).to_dict()["pair"]
except Exception as error:
    got = repr(error)
print(f"expected [[1.0, 2.0], [3.0, 2.0]], got {got}")
raise SystemExit(got != [[1.0, 2.0], [3.0, 2.0]])
