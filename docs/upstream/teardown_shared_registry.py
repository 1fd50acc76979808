"""`teardown` of one project empties the file registry that another project shares."""

import tempfile
from pathlib import Path

from feast import Entity, FeatureStore, RepoConfig, ValueType

folder = Path(tempfile.mkdtemp())


def store(project: str) -> FeatureStore:
    return FeatureStore(
        config=RepoConfig(
            project=project,
            provider="local",
            registry=str(folder / "registry.db"),
            online_store={"type": "sqlite", "path": str(folder / f"{project}.db")},
            entity_key_serialization_version=3,
        )
    )


for project in ("first", "second"):
    store(project).apply([Entity(name="user", join_keys=["id"], value_type=ValueType.INT64)])
store("first").teardown()
try:
    left = [entity.name for entity in store("second").list_entities()]
except Exception as error:
    left = repr(error)
print(f"entities of the second project after teardown of the first: {left}")
raise SystemExit(left != ["user"])
