"""What Feast's integration tests run on: embfeast's stores, and Feast's own dask and duckdb.

`scripts/feast_suite.py` names this module in FULL_REPO_CONFIGS_MODULE and chooses by
SUITE_STORE (a key of CREATORS) and SUITE_ONLINE (a key of ONLINE). Stores of ours get our provider
and engine, Feast's own get Feast's.
"""

import os
import sys
import tempfile
import uuid
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FileSource
from feast.data_format import ParquetFormat
from feast.infra.offline_stores.duckdb import DuckDBOfflineStoreConfig as FeastDuckDBConfig

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
        # A DuckDBSource has no field mapping: its columns are named as they are to be.
        names = field_mapping or {}
        arrow = pa.Table.from_pandas(df.rename(columns=names), preserve_index=False)
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
            text_columns=texts[:1],
            timestamp_field=names.get(timestamp_field, timestamp_field),
            created_timestamp_column=names.get(created_timestamp_column, created_timestamp_column),
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
ONLINE = {
    "sqlite": {"type": "sqlite"},
    "redis": {"type": "redis", "connection_string": "127.0.0.1:6379,db=9"},
    "postgres": {
        "type": "postgres",
        "host": os.environ.get("PGHOST", "127.0.0.1"),
        "port": int(os.environ.get("PGPORT", "5432")),
        "database": os.environ.get("PGDATABASE", "postgres"),
        "user": os.environ.get("PGUSER", "postgres"),
        "password": os.environ.get("PGPASSWORD", ""),
        "sslmode": "disable",
    },
}
STORE, ONLINE_STORE = os.environ["SUITE_STORE"], os.environ["SUITE_ONLINE"]
CREATOR, OURS = CREATORS[STORE], not STORE.startswith("feast_")
PROVIDER = "embfeast.plugin.TextFeatureProvider" if OURS else "local"
ENGINE = {"type": "embfeast.plugin.EmbeddingComputeEngine"} if OURS else "local"

AVAILABLE_OFFLINE_STORES = [(PROVIDER, CREATOR)]
AVAILABLE_ONLINE_STORES = {ONLINE_STORE: (ONLINE[ONLINE_STORE], None)}

# Tests that name no offline store, or only "file", take Feast's creator of files: they get ours.
_configurations = sys.modules["tests.universal.feature_repos.repo_configuration"]
_configurations.OFFLINE_STORE_TO_PROVIDER_CONFIG["file"] = (PROVIDER, CREATOR)
feast_files.FileDataSourceCreator = CREATOR
_init = feast_config.IntegrationTestRepoConfig.__init__


def _with_our_engine(self, *args, **kwargs):
    kwargs.setdefault("batch_engine", ENGINE)
    if kwargs.get("provider") == "local":
        kwargs["provider"] = PROVIDER
    _init(self, *args, **kwargs)


feast_config.IntegrationTestRepoConfig.__init__ = _with_our_engine
