"""What DuckDB reads of a view's source: tables of texts, feature tables, Parquet files."""

import glob
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureView, FileSource
from feast.data_format import DeltaFormat
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID
from feast.repo_config import RepoConfig

from embfeast.errors import EmbfeastError
from embfeast.plugin.feature_table import DIGEST_TAG, place_of
from embfeast.plugin.source import DuckDBSource
from embfeast.storage import Folder, is_local, open_to_read, refused
from embfeast.tables.as_of_join import FeatureRelation
from embfeast.tables.fetch import FILE_NUMBER, PLACE
from embfeast.tables.files import parquet_folder, scan_files
from embfeast.tables.place import READ_ERRORS
from embfeast.tables.table import Table
from embfeast.texts.column_types import check_column
from embfeast.texts.database import let_read, quote

# Columns that a scan gives rows besides their own: those of a table, and of files.
OF_TABLES = ("file_row_number", PLACE)
OF_FILES = ("filename", *OF_TABLES, FILE_NUMBER)


def table_time(config: RepoConfig) -> datetime | None:
    """Return the time whose versions of the feature tables the store's settings ask for."""
    return getattr(config.offline_store, "table_time", None)


def is_delta(source: FileSource) -> bool:
    """Tell whether a source is a Delta table; a feature table is one whatever the registry says."""
    return isinstance(source.file_format, DeltaFormat) or DIGEST_TAG in (source.tags or {})


def opened_tables(
    config: RepoConfig, views: Sequence[FeatureView], at: datetime | None
) -> dict[str, Table]:
    """Open the views' Delta tables, each at one version for the whole request."""
    return {
        view.name: Table.open(place_of(config, view.batch_source.path), at)
        for view in views
        if isinstance(view.batch_source, FileSource) and is_delta(view.batch_source)
    }


def relation_of(
    connection: duckdb.DuckDBPyConnection,
    config: RepoConfig,
    view: FeatureView,
    features: list[str],
    tables: dict[str, Table],
    full_names: bool,
) -> FeatureRelation:
    """Return what a view brings into a join."""
    source = view.batch_source
    shown = view.projection.name_to_use()
    own = own_names(source)
    renamed = view.projection.join_key_map
    files: list[str] = []
    if table := tables.get(view.name):
        let_read(connection, table.place)
        files, scan = table.files, table.scan(row_ids=True)
    elif isinstance(source, FileSource):
        files = files_of(config, source)
        let_read(connection, Folder(files[0]))
        scan = scan_files(files, row_ids=True)
    else:
        scan = scan_of(connection, config, source, f"view_{view.name}")
    return FeatureRelation(
        view=view.name,
        scan=scan,
        files=tuple(files),
        keys=tuple(
            (renamed.get(column.name, column.name), own.get(column.name, column.name))
            for column in view.entity_columns
            if column.name != DUMMY_ENTITY_ID
        ),
        event=own.get(source.timestamp_field, source.timestamp_field),
        created=own.get(source.created_timestamp_column, source.created_timestamp_column) or None,
        features=tuple(
            (own.get(name, name), f"{shown}__{name}" if full_names else name)
            for name in dict.fromkeys(features)
        ),
        ttl=view.ttl or None,
    )


def own_names(source: DataSource) -> dict[str, str]:
    """Return a table's own column names by those that the source's field mapping gives them."""
    return {mapped: column for column, mapped in (source.field_mapping or {}).items()}


def scan_of(
    connection: duckdb.DuckDBPyConnection, config: RepoConfig, source: DataSource, name: str
) -> str:
    """Return what stands after FROM, with row positions."""
    if isinstance(source, DuckDBSource):
        # Copied out, so that a query's own table names cannot meet those of another source.
        with source.connect(config.repo_path) as texts:
            rows = run_query(
                texts, f"SELECT * FROM {source.get_table_query_string()}"
            ).to_arrow_table()
        rows = rows.drop_columns([c for c in rows.column_names if c.lower() in OF_TABLES])
        if "filename" not in map(str.lower, rows.column_names):
            rows = rows.append_column("filename", pa.array([""] * rows.num_rows))
        rows = rows.append_column("file_row_number", pa.array(np.arange(rows.num_rows)))
        connection.register(name, rows)
        return quote(name)
    if isinstance(source, FileSource) and is_delta(source):
        table = Table.open(place_of(config, source.path), table_time(config))
        let_read(connection, table.place)
        return table.scan(row_ids=True)
    if isinstance(source, FileSource):
        files = files_of(config, source)
        let_read(connection, Folder(files[0]))
        return scan_files(files, row_ids=True)
    raise EmbfeastError(
        f"source {source.name!r} is a {type(source).__name__}; this offline store reads "
        "DuckDBSource and FileSource, of Delta and Parquet"
    )


def files_of(config: RepoConfig, source: FileSource) -> list[str]:
    """Return the Parquet files of a source, in the order of their names."""
    uri = FileSource.get_uri_for_file_path(config.repo_path, source.path)
    try:
        found = _local_files(uri) if is_local(uri) else _remote_files(uri)
    except OSError as error:
        raise refused(f"source {source.name!r}: {uri} cannot be read", error) from error
    if not found:
        raise EmbfeastError(f"source {source.name!r}: there is no file {uri}")
    try:
        names = pq.read_schema(open_to_read(found[0])).names
    except READ_ERRORS as error:
        raise refused(f"{found[0]} cannot be read", error) from error
    _refuse(f"source {source.name!r}", names, OF_FILES)
    return found


def _local_files(uri: str) -> list[str]:
    path = Path(uri)
    if path.is_dir():
        return parquet_folder(path)
    return [uri] if path.is_file() else sorted(glob.glob(uri, recursive=True))  # noqa: PTH207


def _remote_files(uri: str) -> list[str]:
    return [uri] if uri.endswith(".parquet") else parquet_folder(Folder(uri))


def check_view_names(view: FeatureView) -> None:
    """Refuse a view over texts with a feature or key that is named as a column of ours."""
    if isinstance(view.batch_source, DuckDBSource):
        columns = [*view.entity_columns, *view.features]
        _refuse(f"view {view.name!r}", [column.name for column in columns], OF_TABLES)


def _refuse(where: str, names: Sequence[str], ours: Sequence[str]) -> None:
    if taken := [name for name in names if name.lower() in ours]:
        raise EmbfeastError(
            f"{where}: column {taken[0]!r} has a name that a scan gives its rows",
            "call it otherwise",
        )


def check_columns(
    connection: duckdb.DuckDBPyConnection, scan: str, source: str, **wanted: Sequence[str]
) -> None:
    """Refuse a key, feature or time that a scan has not got, by its source's name."""
    found = run_query(connection, f"FROM {scan} LIMIT 0").columns
    types = {name: "" for name in found if name.lower() not in OF_TABLES}
    there = {name.lower() for name in types}  # DuckDB does not tell capital letters apart
    for what, columns in wanted.items():
        for column in columns:
            if column.lower() not in there:
                check_column(f"source {source!r}", types, what, column)


def run_query(
    connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any] | None = None
) -> Any:
    """Run a query; what DuckDB says of its fault is an error of ours."""
    try:
        return connection.sql(sql, params=values or {})
    except duckdb.Error as error:
        raise EmbfeastError(f"offline store: {str(error).splitlines()[0]}") from error
