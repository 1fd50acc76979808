"""Feature rows into Feast's SQLite online store, in bulk.

Feast's own write makes a statement, a protobuf message and two times of each single value. This
one fills the same table with the same bytes, column by column.
"""

import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.sqlite import (
    SqliteOnlineStore,
    _quote_id,
    _table_id,
    adapt_datetime_epoch,
)
from feast.repo_config import RepoConfig
from feast.types import Int64
from feast.utils import to_naive_utc

from embfeast.plugin.feature_table import CREATED_TIME, EVENT_TIME
from embfeast.plugin.proto_rows import entity_keys
from embfeast.plugin.value_bytes import value_bytes

COLUMNS = ("entity_key", "feature_name", "value", "value_text", "event_ts", "created_ts")
REPLACED = COLUMNS[2:]


def can_write(config: RepoConfig, store: object) -> bool:
    """Tell whether a store is Feast's SQLite store without the columns of its special modes."""
    settings = config.online_store
    return (
        type(store) is SqliteOnlineStore
        and not settings.vector_enabled
        and not getattr(settings, "enable_openai_compatible_store", False)
    )


def write(config: RepoConfig, store: SqliteOnlineStore, view: FeatureView, table: pa.Table) -> None:
    """Write feature rows, as one transaction, in the place of what their keys had.

    Parameters
    ----------
    config : RepoConfig
    store : SqliteOnlineStore
    view : FeatureView
    table : pyarrow.Table
        Keys, event and created time, and the view's features; a key once.
    """
    versioned = config.registry.enable_online_feature_view_versioning
    name = _quote_id(_table_id(config.project, view, versioned))
    update = ", ".join(f"{column} = excluded.{column}" for column in REPLACED)
    connection: sqlite3.Connection = store._get_conn(config)
    with connection:
        connection.executemany(
            f"INSERT INTO {name} ({', '.join(COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?) "  # noqa: S608
            f"ON CONFLICT(entity_key, feature_name) DO UPDATE SET {update}",
            _rows(config, view, table),
        )


def _rows(config: RepoConfig, view: FeatureView, table: pa.Table) -> Iterator[tuple[Any, ...]]:
    keys = _keys(table, view, config.entity_key_serialization_version)
    times = [_moments(table[name]) for name in (EVENT_TIME, CREATED_TIME)]
    columns = [
        (
            field.name,
            value_bytes(table[field.name], field.dtype.to_value_type()),
            _texts(table[field.name]),
        )
        for field in view.features
    ]
    for row in sorted(
        range(table.num_rows), key=keys.__getitem__
    ):  # SQLite likes its keys in order
        key, event, created = keys[row], times[0][row], times[1][row]
        for name, values, texts in columns:
            yield key, name, values[row], texts[row], event, created


def _keys(table: pa.Table, view: FeatureView, version: int) -> list[bytes]:
    fields = view.entity_columns
    if len(fields) == 1 and fields[0].dtype == Int64 and table[fields[0].name].type == pa.int64():
        # All keys have the same bytes but for the number's eight at their end.
        column = pa.table({fields[0].name: pa.array([0], pa.int64())})
        before = serialize_entity_key(entity_keys(column, view)[0], version)[:-8]
        numbers = table[fields[0].name].to_numpy().astype("<i8").tobytes()
        return [before + numbers[at : at + 8] for at in range(0, len(numbers), 8)]
    return [serialize_entity_key(key, version) for key in entity_keys(table, view)]


def _moments(column: pa.ChunkedArray) -> list[int | None]:
    """Return times as Feast adapts them for SQLite: whole seconds."""
    if time.timezone or time.daylight:  # Feast takes times for local ones, which shifts them
        times = column.to_pylist()
        return [moment and adapt_datetime_epoch(to_naive_utc(moment)) for moment in times]
    micros = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    seconds: list[int | None] = pc.divide(micros, 1_000_000).to_pylist()
    return seconds


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    """Return single values as text, which Feast keeps for searches; vectors have none."""
    if pa.types.is_list(column.type):
        return [None] * len(column)
    return [None if cell is None else str(cell) for cell in column.to_pylist()]
