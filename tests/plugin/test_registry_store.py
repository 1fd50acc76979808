import pytest
from feast.infra.registry.file import FileRegistryStore
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.repo_config import RegistryConfig

from embfeast import EmbfeastError
from embfeast.plugin import AtomicFileRegistryStore


def store(folder):
    return AtomicFileRegistryStore(RegistryConfig(path="registry.db"), folder)


def test_it_is_written_and_read_like_feasts_own(tmp_path):
    store(tmp_path).update_registry_proto(Registry(registry_schema_version="1"))
    read = FileRegistryStore(RegistryConfig(path="registry.db"), tmp_path).get_registry_proto()
    assert read.registry_schema_version == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["registry.db"]


def test_a_write_that_fails_leaves_the_old_registry_and_is_said(tmp_path, monkeypatch):
    ours = store(tmp_path)
    ours.update_registry_proto(Registry(registry_schema_version="old"))

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(EmbfeastError, match="No space left on device; the old one is unharmed"):
        ours.update_registry_proto(Registry(registry_schema_version="new"))
    assert ours.get_registry_proto().registry_schema_version == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["registry.db"]
