"""Feature rows into Feast's SQLite online store, in bulk.

Feast's own write makes a statement, a protobuf message and two times of each single value. This
one fills the same table with the same bytes, column by column.
"""

import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView, Field
from feast.infra.online_stores.sqlite import (
    SqliteOnlineStore,
    _quote_id,
    _table_id,
    adapt_datetime_epoch,
)
from feast.repo_config import RepoConfig
from feast.utils import to_naive_utc

from embfeast.plugin.feature_table import CREATED_TIME, EVENT_TIME
from embfeast.plugin.float_slots import (
    TEXT_WIDTH,
    VALUE_WIDTH,
    columns_alike,
    text_slots,
    value_slots,
)
from embfeast.plugin.proto_rows import key_bytes
from embfeast.plugin.read_ahead import read_ahead
from embfeast.plugin.value_bytes import value_bytes, value_texts

COLUMNS = ("entity_key", "feature_name", "value", "value_text", "event_ts", "created_ts")
# Keys of one statement: the next ones are made while SQLite takes them.
KEYS_A_BLOCK = 500


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
    features = sorted(view.features, key=lambda field: field.name)
    floats = columns_alike(table, [field.name for field in features])
    others = [field for field in features if field.name not in floats]
    connection: sqlite3.Connection = store._get_conn(config)
    _make_staging(connection, features, floats, others)
    statement = _statement(name, len(others))
    marks = f"({', '.join('?' * (5 + 2 * len(others)))})"
    with connection:
        for rows in read_ahead(_blocks(config, view, table, floats, others)):
            connection.execute("DELETE FROM temp.given_rows")
            connection.execute(
                f"INSERT INTO temp.given_rows VALUES {', '.join([marks] * len(rows))}",  # noqa: S608
                [cell for row in rows for cell in row],
            )
            connection.execute(statement)


def _make_staging(
    connection: sqlite3.Connection, features: list[Field], floats: list[str], others: list[Field]
) -> None:
    """Make a table of keys with all their values, and one of the features and where they are."""
    cells = "".join(f", value_{i}, text_{i}" for i in range(len(others)))
    for table, columns in (
        ("given_rows", f"entity_key, event_ts, created_ts, numbers, texts{cells}"),
        ("given_features", "feature_name, slot, cell"),
    ):
        connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
        connection.execute(f"CREATE TEMP TABLE {table} ({columns})")
    slots = {name: place for place, name in enumerate(floats)}
    cells_of = {field.name: place for place, field in enumerate(others)}
    with connection:
        connection.executemany(
            "INSERT INTO temp.given_features VALUES (?, ?, ?)",
            [(field.name, slots.get(field.name), cells_of.get(field.name)) for field in features],
        )


def _statement(name: str, others: int) -> str:
    """Return the statement that makes a row of each given key and feature, in their order.

    SQLite cuts the floats itself: handing over each would cost more than keeping it.
    """
    number = f"coalesce(substr(numbers, slot * {VALUE_WIDTH} + 1, {VALUE_WIDTH}), x'')"
    text = f"rtrim(substr(texts, slot * {TEXT_WIDTH} + 1, {TEXT_WIDTH}))"
    value, value_text = (
        f"CASE cell {' '.join(f'WHEN {i} THEN {kind}_{i}' for i in range(others))} ELSE {own} END"
        if others
        else own
        for kind, own in (("value", number), ("text", text))
    )
    update = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[2:])
    return (
        f"INSERT INTO {name} ({', '.join(COLUMNS)}) "  # noqa: S608
        f"SELECT entity_key, feature_name, {value}, {value_text}, event_ts, created_ts "
        "FROM temp.given_rows CROSS JOIN temp.given_features WHERE true "
        f"ON CONFLICT(entity_key, feature_name) DO UPDATE SET {update}"
    )


def _blocks(
    config: RepoConfig, view: FeatureView, table: pa.Table, floats: list[str], others: list[Field]
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows of the staging table, some keys at a time.

    SQLite appends to its index as long as keys come in order.
    """
    given = key_bytes(table, view, config.entity_key_serialization_version)
    order = sorted(range(len(given)), key=given.__getitem__)
    for start in range(0, len(order), KEYS_A_BLOCK):
        rows = order[start : start + KEYS_A_BLOCK]
        some = table.take(rows)
        columns: list[list[Any]] = [
            [given[row] for row in rows],
            _moments(some[EVENT_TIME]),
            _moments(some[CREATED_TIME]),
            *_slots(some, floats),
        ]
        for field in others:
            columns.append(value_bytes(some[field.name], field.dtype.to_value_type()))
            columns.append(value_texts(some[field.name]))
        yield list(zip(*columns, strict=True))


def _slots(table: pa.Table, floats: list[str]) -> tuple[list[bytes | None], list[bytes | None]]:
    """Return the floats of each row and their texts; None for a row of nulls."""
    if not floats:
        return [None] * table.num_rows, [None] * table.num_rows
    numbers = np.stack([table[name].fill_null(0).to_numpy() for name in floats], axis=1)
    values: list[bytes | None] = [*value_slots(numbers)]
    texts: list[bytes | None] = [*text_slots(numbers)]
    for row in np.flatnonzero(table[floats[0]].is_null()):
        values[row] = texts[row] = None
    return values, texts


def _moments(column: pa.ChunkedArray) -> list[int | None]:
    """Return times as Feast adapts them for SQLite: whole seconds."""
    if time.timezone or time.daylight:  # Feast takes times for local ones, which shifts them
        times = column.to_pylist()
        return [moment and adapt_datetime_epoch(to_naive_utc(moment)) for moment in times]
    micros = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    seconds: list[int | None] = pc.divide(micros, 1_000_000).to_pylist()
    return seconds
