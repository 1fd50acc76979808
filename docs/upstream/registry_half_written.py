"""A registry file that cannot be written whole is destroyed: it is emptied first."""

import resource
import signal
import tempfile
from pathlib import Path

from feast import Entity, FeatureStore, RepoConfig, ValueType

folder = Path(tempfile.mkdtemp())


def store() -> FeatureStore:
    return FeatureStore(
        config=RepoConfig(
            project="p",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            entity_key_serialization_version=3,
        )
    )


def entity(name: str) -> Entity:
    return Entity(name=name, join_keys=[f"{name}_id"], value_type=ValueType.INT64)


store().apply([entity("first")])
opened = store()
opened.list_entities()
# As on a full disk: no file grows past 64 bytes from here on.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
no_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (64, no_limit[1]))
try:
    opened.apply([entity("second")])
    failed = None
except Exception as error:  # what it reads afterwards is broken already
    failed = error
resource.setrlimit(resource.RLIMIT_FSIZE, no_limit)
try:
    left = [one.name for one in store().list_entities()]
except Exception as error:
    left = repr(error)
print(f"write: {failed!r:.60}; entities that are left: {left}")
raise SystemExit(failed is not None and (not isinstance(left, list) or "first" not in left))
