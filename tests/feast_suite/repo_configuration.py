"""What Feast's integration tests run on: embfeast's stores, and Feast's own dask and duckdb.

`scripts/feast_suite.py` names this module in FULL_REPO_CONFIGS_MODULE, loads it into pytest before
any test, and chooses by SUITE_STORE (a key of CREATORS), SUITE_ONLINE (a key of ONLINE) and
SUITE_REMOTE (the offline store behind Feast's own server of such). Stores of ours get our provider,
engine and registry file, Feast's own get Feast's.
"""

import os
import tempfile
import uuid
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from feast import FileSource
from feast.data_format import ParquetFormat
from feast.infra.offline_stores.duckdb import DuckDBOfflineStoreConfig as FeastDuckDBConfig
from feast.infra.registry import registry
from testcontainers.core.container import DockerContainer

import tests.universal.feature_repos.integration_test_repo_config as feast_config
import tests.universal.feature_repos.universal.data_sources.file as feast_files
from embfeast.plugin import DuckDBSource
from embfeast.plugin.offline_store import DuckDBOfflineStoreConfig

FeastDask = feast_files.FileDataSourceCreator


class FeastDuckDB(FeastDask):
    """Feast's own duckdb store over one Parquet file."""

    def create_offline_store_config(self):
        return FeastDuckDBConfig()


class OursParquetFile(FeastDask):
    """Our offline store over one Parquet file."""

    def create_offline_store_config(self):
        return DuckDBOfflineStoreConfig()


class OursParquetFolder(OursParquetFile):
    """Our offline store over a folder of parts, which it can append to."""

    def create_data_source(
        self,
        df,
        destination_name,
        created_timestamp_column="created_ts",
        field_mapping=None,
        timestamp_field="ts",
    ):
        folder = tempfile.mkdtemp(prefix=f"{self.project_name}_{destination_name}")
        self.dirs.append(folder)
        pq.write_table(pa.Table.from_pandas(df, preserve_index=False), f"{folder}/part-0.parquet")
        return FileSource(
            file_format=ParquetFormat(),
            path=folder,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            field_mapping=field_mapping or {"ts_1": "ts"},
        )


class OursDuckDBTable(OursParquetFile):
    """Our offline store over tables of one DuckDB file a project."""

    def __init__(self, project_name, *args, **kwargs):
        super().__init__(project_name, *args, **kwargs)
        folder = tempfile.mkdtemp(prefix=f"{project_name}_db")
        self.dirs.append(folder)
        self.database = str(Path(folder) / "texts.duckdb")

    def create_data_source(
        self,
        df,
        destination_name,
        created_timestamp_column="created_ts",
        field_mapping=None,
        timestamp_field="ts",
    ):
        table = f"{self.get_prefixed_table_name(destination_name)}_{uuid.uuid4().hex[:6]}"
        # Feast's own creators map this column where nothing is said.
        given = field_mapping or {"ts_1": "ts"}
        names = {old: new for old, new in given.items() if old in df}
        arrow = pa.Table.from_pandas(df, preserve_index=False)
        texts = [field.name for field in arrow.schema if pa.types.is_string(field.type)]
        if not texts:  # a DuckDBSource has a text column
            arrow = arrow.append_column("filler_text", pa.array(["t"] * arrow.num_rows))
            texts = ["filler_text"]
        with duckdb.connect(self.database) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("given", arrow)
            connection.execute(f'CREATE OR REPLACE TABLE "{table}" AS SELECT * FROM given')
        return DuckDBSource(
            name=table,
            database=self.database,
            table=table,
            text_columns=[names.get(texts[0], texts[0])],
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            field_mapping=names,
        )

    def get_prefixed_table_name(self, suffix):
        return f"{self.project_name}_{suffix}"


CREATORS = {
    "duckdb_table": OursDuckDBTable,
    "parquet_folder": OursParquetFolder,
    "parquet_file": OursParquetFile,
    "feast_dask": FeastDask,
    "feast_duckdb": FeastDuckDB,
}
POSTGRES = {
    "type": "postgres",
    "host": os.environ.get("PGHOST", "127.0.0.1"),
    "port": int(os.environ.get("PGPORT", "5432")),
    "database": "feast_suite",
    "user": os.environ.get("PGUSER", "postgres"),
    "password": os.environ.get("PGPASSWORD", ""),
    "sslmode": "disable",
}
ONLINE = {
    "sqlite": {"type": "sqlite"},
    "redis": {"type": "redis", "connection_string": "127.0.0.1:6379,db=9"},
    "postgres": POSTGRES,
    "pgvector": POSTGRES | {"vector_enabled": True},
    "milvus": {"type": "milvus", "embedding_dim": 2, "path": "online_store.db"},
}
STORE, ONLINE_STORE = os.environ["SUITE_STORE"], os.environ["SUITE_ONLINE"]
CREATOR, OURS = CREATORS[STORE], not STORE.startswith("feast_")
if os.environ.get("SUITE_REMOTE"):
    CREATOR = type("Remote", (feast_files.RemoteOfflineStoreDataSourceCreator, CREATOR), {})
PROVIDER = "embfeast.plugin.TextFeatureProvider" if OURS else "local"
ENGINE = {"type": "embfeast.plugin.EmbeddingComputeEngine"} if OURS else "local"

AVAILABLE_OFFLINE_STORES = [(PROVIDER, CREATOR)]
AVAILABLE_ONLINE_STORES = {ONLINE_STORE: (ONLINE[ONLINE_STORE], None)}

# Feast's module reads the two names above out of this one: what follows changes the other way.
import tests.universal.feature_repos.repo_configuration as feast_stores  # noqa: E402
from tests.utils.cli_repo_creator import CliRunner  # noqa: E402

# Tests that name no offline store, or only "file", take Feast's creator of files: they get ours.
feast_stores.OFFLINE_STORE_TO_PROVIDER_CONFIG["file"] = (PROVIDER, CREATOR)
feast_files.FileDataSourceCreator = CREATOR
_init = feast_config.IntegrationTestRepoConfig.__init__


def _with_our_engine(self, *args, **kwargs):
    kwargs.setdefault("batch_engine", ENGINE)
    if kwargs.get("provider") == "local":
        kwargs["provider"] = PROVIDER
    _init(self, *args, **kwargs)


feast_config.IntegrationTestRepoConfig.__init__ = _with_our_engine
if OURS:
    path = "embfeast.plugin.AtomicFileRegistryStore"
    registry.REGISTRY_STORE_CLASS_FOR_SCHEME |= {"": path, "file": path}


# Tests of commands and servers write a feature_store.yaml, or let `feast init` write it.
IN_FILES = {"provider": PROVIDER, "batch_engine": ENGINE}
if OURS:
    IN_FILES["offline_store"] = {"type": "embfeast.plugin.DuckDBOfflineStore"}
elif STORE == "feast_duckdb":
    IN_FILES["offline_store"] = {"type": "duckdb"}
_run = CliRunner.run


def _run_on_the_store(self, words, cwd, *args, **kwargs):
    if "init" not in words:
        _put_the_store_in(Path(cwd))
    done = _run(self, words, cwd, *args, **kwargs)
    if "init" in words:
        _put_the_store_in(Path(cwd))
    return done


def _put_the_store_in(folder):
    for file in folder.rglob("feature_store.yaml"):
        settings = yaml.safe_load(file.read_text())
        offline = settings.get("offline_store") or {}
        if "remote" not in (offline if isinstance(offline, str) else offline.get("type", "")):
            file.write_text(yaml.safe_dump(settings | IN_FILES))


CliRunner.run = _run_on_the_store


def _no_docker(*_, **__):
    pytest.skip("needs Docker")


DockerContainer.__init__ = _no_docker


def pytest_configure():
    """Make the database of the tests."""
    if ONLINE[ONLINE_STORE] is POSTGRES or ONLINE_STORE == "pgvector":
        login = {name: POSTGRES[name] for name in ("host", "port", "user", "password")}
        with psycopg.connect(**login, dbname="postgres", autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS feast_suite WITH (FORCE)")
            connection.execute("CREATE DATABASE feast_suite")
        if ONLINE_STORE == "pgvector":
            with psycopg.connect(**login, dbname="feast_suite", autocommit=True) as connection:
                connection.execute("CREATE EXTENSION vector")


def pytest_runtest_setup():
    """Let tests run that are left out where a server is taken for one in Docker."""
    if ONLINE_STORE in ("redis", "postgres"):
        os.environ["FEAST_IS_LOCAL_TEST"] = "False"
