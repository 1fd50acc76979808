"""Feature rows into Feast's SQLite online store, in bulk.

Feast's own write makes a statement, a protobuf message and two times of each single value. This
one fills the same table with the same bytes, column by column.
"""

import sqlite3
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView
from feast.infra.online_stores.sqlite import (
    SqliteOnlineStore,
    _quote_id,
    _table_id,
    adapt_datetime_epoch,
)
from feast.repo_config import RepoConfig
from feast.utils import to_naive_utc

from embfeast.plugin.feature_table import CREATED_TIME, EVENT_TIME
from embfeast.plugin.proto_rows import key_bytes
from embfeast.plugin.read_ahead import read_ahead
from embfeast.plugin.value_bytes import value_bytes, value_texts

COLUMNS = ("entity_key", "feature_name", "value", "value_text", "event_ts", "created_ts")
# One statement for many rows takes half the time of one for each, and gives the other thread room.
ROWS_A_STATEMENT = 500
# Keys whose values are made while SQLite takes those before them.
KEYS_A_BLOCK = 2_000


def can_write(config: RepoConfig) -> bool:
    """Tell whether the store's table lacks the columns of its special modes."""
    settings = config.online_store
    return not settings.vector_enabled and not getattr(
        settings, "enable_openai_compatible_store", False
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
    step = len(COLUMNS) * ROWS_A_STATEMENT
    connection: sqlite3.Connection = store._get_conn(config)
    with connection:
        for values in read_ahead(_blocks(config, view, table)):
            for start in range(0, len(values), step):
                some = values[start : start + step]
                connection.execute(_statement(name, len(some) // len(COLUMNS)), some)


@lru_cache
def _statement(name: str, rows: int) -> str:
    values = ", ".join([f"({', '.join('?' * len(COLUMNS))})"] * rows)
    update = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[2:])
    return (
        f"INSERT INTO {name} ({', '.join(COLUMNS)}) VALUES {values} "  # noqa: S608
        f"ON CONFLICT(entity_key, feature_name) DO UPDATE SET {update}"
    )


def _blocks(config: RepoConfig, view: FeatureView, table: pa.Table) -> Iterator[list[Any]]:
    """Yield the values of some keys at a time, as `_flat` makes them.

    SQLite appends to its index as long as keys come in order.
    """
    given = key_bytes(table, view, config.entity_key_serialization_version)
    order = sorted(range(len(given)), key=given.__getitem__)
    for start in range(0, len(order), KEYS_A_BLOCK):
        rows = order[start : start + KEYS_A_BLOCK]
        yield _flat(view, table.take(rows), [given[row] for row in rows])


def _flat(view: FeatureView, table: pa.Table, keys: list[bytes]) -> list[Any]:
    """Return the values of all rows one after the other, in the order of `COLUMNS`."""
    events, known = _moments(table[EVENT_TIME]), _moments(table[CREATED_TIME])
    features = sorted(view.features, key=lambda field: field.name)
    width = len(COLUMNS) * len(features)
    flat: list[Any] = [None] * (width * len(keys))
    for place, field in enumerate(features):
        columns = (
            keys,
            [field.name] * len(keys),
            value_bytes(table[field.name], field.dtype.to_value_type()),
            value_texts(table[field.name]),
            events,
            known,
        )
        for number, column in enumerate(columns):
            flat[place * len(COLUMNS) + number :: width] = column
    return flat


def _moments(column: pa.ChunkedArray) -> list[int | None]:
    """Return times as Feast adapts them for SQLite: whole seconds."""
    if time.timezone or time.daylight:  # Feast takes times for local ones, which shifts them
        times = column.to_pylist()
        return [moment and adapt_datetime_epoch(to_naive_utc(moment)) for moment in times]
    micros = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    seconds: list[int | None] = pc.divide(micros, 1_000_000).to_pylist()
    return seconds
