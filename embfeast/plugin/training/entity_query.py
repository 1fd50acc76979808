"""Entity rows from a frame, from SQL over the text database, or of a period."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
from feast import FeatureView, OnDemandFeatureView
from feast.feature_view import DUMMY_ENTITY_ID
from feast.repo_config import RepoConfig

from embfeast.errors import EmbfeastError, first_line
from embfeast.plugin.source import DuckDBSource
from embfeast.plugin.source_scan import relation_of, run_query
from embfeast.plugin.training.entity_rows import EVENT, EntityRows, entity_rows
from embfeast.tables.as_of_join import MOMENT
from embfeast.tables.files import parquet_folder, scan_files
from embfeast.tables.table import Table
from embfeast.texts import database
from embfeast.texts.database import quote

# Feast hands on whatever it is given.
EntityFrame = pd.DataFrame | pa.Table | duckdb.DuckDBPyRelation | Path | str


def output_names(
    by_view: dict[FeatureView, list[str]],
    on_demand: Sequence[OnDemandFeatureView],
    full_names: bool,
) -> set[str]:
    """Return the names that the features asked for are going to have."""
    named = dict(by_view)
    named |= {view: [field.name for field in view.features] for view in on_demand}
    return {
        f"{view.projection.name_to_use()}__{name}" if full_names else name
        for view, features in named.items()
        for name in features
    }


def rows_of(
    config: RepoConfig,
    views: list[FeatureView],
    entity_df: EntityFrame | None,
    period: tuple[datetime, datetime] | None,
    tables: dict[str, Table],
    outputs: set[str],
) -> EntityRows:
    """Return the entity rows, with times in UTC."""
    if period is not None:
        rows = _all_rows(config, views, tables, *period)
        return EntityRows(rows, EVENT, rows[EVENT])
    if isinstance(entity_df, str):
        entity_df = _entity_query(config, views, entity_df)
    elif isinstance(entity_df, Path):
        entity_df = _entity_files(config, entity_df)
    elif isinstance(entity_df, duckdb.DuckDBPyRelation):
        entity_df = _evaluated(entity_df)
    if not isinstance(entity_df, pd.DataFrame | pa.Table):
        raise EmbfeastError(
            f"entity_df is a {type(entity_df).__name__}; give a pandas DataFrame, an Arrow table, "
            "a DuckDB relation, the Path of Parquet files, or a SELECT"
        )
    return entity_rows(entity_df, outputs)


def _all_rows(
    config: RepoConfig,
    views: list[FeatureView],
    tables: dict[str, Table],
    start: datetime,
    end: datetime,
) -> pa.Table:
    """Return every key and time at which one of the views has a row in the period."""
    connection = database.connect_memory()
    try:
        keys = list(dict.fromkeys(key for view in views for key in _join_keys(view)))
        selects = []
        for view in views:
            own = relation_of(connection, config, view, [], tables, full_names=False)
            by_entity = dict(own.keys)
            columns = [
                f"{quote(by_entity[key])} AS {quote(key)}"
                if key in by_entity
                else f"NULL AS {quote(key)}"
                for key in keys
            ]
            event = f"CAST({quote(own.event)} AS {MOMENT}) AS {EVENT}"
            selects.append(f"SELECT {', '.join([*columns, event])} FROM {own.scan}")
        order = ", ".join([EVENT, *map(quote, keys)])
        sql = (
            f"SELECT * FROM ({' UNION '.join(selects)}) "
            f"WHERE {EVENT} BETWEEN $start AND $end ORDER BY {order}"
        )
        rows: pa.Table = run_query(connection, sql, {"start": start, "end": end}).to_arrow_table()
        return rows
    finally:
        connection.close()


def _join_keys(view: FeatureView) -> list[str]:
    renamed = view.projection.join_key_map
    names = [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    return [renamed.get(name, name) for name in names]


def _entity_files(config: RepoConfig, path: Path) -> pa.Table:
    """Read a Parquet file, or a folder of them; a relative path starts at the repository."""
    where = Path(config.repo_path or ".") / path
    files = parquet_folder(where) if where.is_dir() else [str(where)]
    if not files or not Path(files[0]).is_file():
        raise EmbfeastError(f"entity_df: there is no Parquet file at {where}")
    connection = database.connect_memory()
    try:
        return _evaluated(connection.sql(f"FROM {scan_files(files)}"))
    except duckdb.Error as error:
        raise EmbfeastError(f"entity_df: {first_line(error)}") from error
    finally:
        connection.close()


def _evaluated(relation: duckdb.DuckDBPyRelation) -> pa.Table:
    try:
        rows: pa.Table = relation.to_arrow_table()
    except duckdb.Error as error:
        raise EmbfeastError(f"entity_df: {first_line(error)}") from error
    # Sums are decimals and days dates, with which no model can do anything.
    return rows.cast(
        pa.schema([field.with_type(_as_in_a_frame(field.type)) for field in rows.schema])
    )


def _as_in_a_frame(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_decimal(kind):
        return pa.float64()
    return pa.timestamp("us") if pa.types.is_date(kind) else kind


def _entity_query(config: RepoConfig, views: list[FeatureView], sql: str) -> pa.Table:
    """Run a SELECT over the text databases of the views, which are attached read-only."""
    sources = [view.batch_source for view in views]
    sources += [up.batch_source for view in views for up in view.source_views or []]
    places = {s.place_in(config.repo_path) for s in sources if isinstance(s, DuckDBSource)}
    if len(places) != 1:
        raise EmbfeastError(
            f"entity_df is SQL, which needs views over one text database; these have {len(places)}"
        )
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise EmbfeastError(f"entity_df: {first_line(error)}") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise EmbfeastError("entity_df: give one SELECT")
    with database.open_text_database(places.pop(), sql) as connection:
        database.keep_inside(connection)
        return _evaluated(run_query(connection, sql))
