"""A registry file that appears whole or not at all."""

import contextlib
import os
import uuid
from datetime import UTC, datetime

from feast.infra.registry.file import FileRegistryStore
from feast.protos.feast.core.Registry_pb2 import Registry

from embfeast.errors import EmbfeastError
from embfeast.plugin.feast_compat import registry_path


class AtomicFileRegistryStore(FileRegistryStore):
    """Feast's file registry, written beside the old file and then put in its place.

    Feast itself empties the file and fills it again, at every materialization: a reader in
    between finds it corrupt, and on a full disk it stays so.

    Put ``registry_store_type: embfeast.plugin.AtomicFileRegistryStore`` under ``registry`` in
    feature_store.yaml.
    """

    def _write_registry(self, registry_proto: Registry) -> None:
        registry_proto.version_id = str(uuid.uuid4())
        registry_proto.last_updated.FromDatetime(datetime.now(UTC))
        path = registry_path(self)
        half = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with half.open("wb") as stream:
                stream.write(registry_proto.SerializeToString())
                stream.flush()
                os.fsync(stream.fileno())
            half.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                half.unlink()
            raise EmbfeastError(
                f"registry {path} cannot be written: {error.strerror or error}; the old "
                "one is unharmed"
            ) from error
