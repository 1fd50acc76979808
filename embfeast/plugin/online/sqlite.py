"""Feature rows into Feast's SQLite online store, in bulk.

Feast's own write makes a statement, a protobuf message and two times of each single value. This
one fills the same table with the same bytes, column by column.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from itertools import chain, pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.sqlite import SqliteOnlineStore, adapt_datetime_epoch
from feast.repo_config import RepoConfig
from feast.types import Float32
from feast.utils import to_naive_utc

from embfeast.errors import EmbfeastError
from embfeast.plugin import feast_compat
from embfeast.plugin.online.float_slots import TEXT_WIDTH, float_slots
from embfeast.plugin.online.proto_rows import key_bytes
from embfeast.plugin.online.value_bytes import VALUE_WIDTH, value_bytes, value_texts
from embfeast.read_ahead import read_ahead
from embfeast.tables.columns import CREATED_TIME, EVENT_TIME
from embfeast.texts.database import quote

COLUMNS = ("entity_key", "feature_name", "value", "value_text", "event_ts", "created_ts")
UPDATE = "ON CONFLICT(entity_key, feature_name) DO UPDATE SET " + ", ".join(
    f"{column} = excluded.{column}" for column in COLUMNS[2:]
)
# Keys of one statement: the next ones are made while SQLite takes them.
KEYS_A_BLOCK = 500
# Keys of one transaction, which readers wait for.
KEYS_AT_ONCE = 10_000


def can_write(config: RepoConfig) -> bool:
    """Tell whether the store's table lacks the columns of its special modes."""
    settings = config.online_store
    return not settings.vector_enabled and not getattr(
        settings, "enable_openai_compatible_store", False
    )


def write(
    config: RepoConfig,
    store: SqliteOnlineStore,
    view: FeatureView,
    tables: Iterable[pa.Table],
    rows: int,
) -> None:
    """Write feature rows in the place of what their keys had.

    Keys go into the table in order, so that SQLite appends to its index: many of them are put in
    order first, in a temporary table. A transaction holds at most `KEYS_AT_ONCE` keys.
    """
    versioned = config.registry.enable_online_feature_view_versioning
    given = _Given(view)
    insert = given.insert_into(quote(compute_table_id(config.project, view, versioned)))
    blocks = read_ahead(_blocks(config, given, tables))
    # A connection of our own: its temporary tables are gone with it, the disk they took too.
    with closing(sqlite3.connect(feast_compat.sqlite_path(store, config))) as connection:
        given.create(connection)
        at_once = rows <= KEYS_AT_ONCE
        with connection:
            for block in blocks:
                given.add(connection, block)
                if at_once:
                    connection.execute(f"{insert} WHERE true {UPDATE}")
                    connection.execute("DELETE FROM temp.given_rows")
        if not at_once:
            _insert_in_order(connection, insert)


def erase(config: RepoConfig, store: SqliteOnlineStore, view: FeatureView, keys: pa.Table) -> None:
    """Remove what keys have, from the file's unused pages too."""
    versioned = config.registry.enable_online_feature_view_versioning
    table = quote(compute_table_id(config.project, view, versioned))
    gone = [(key,) for key in key_bytes(keys, view, config.entity_key_serialization_version)]
    with closing(sqlite3.connect(feast_compat.sqlite_path(store, config))) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        with connection:
            connection.executemany(f"DELETE FROM {table} WHERE entity_key = ?", gone)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def empty(config: RepoConfig, store: SqliteOnlineStore, view: FeatureView) -> int:
    """Remove all rows of a view; the next ones are written to their pages."""
    versioned = config.registry.enable_online_feature_view_versioning
    name = compute_table_id(config.project, view, versioned)
    with closing(sqlite3.connect(feast_compat.sqlite_path(store, config))) as connection:
        there = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
        if not connection.execute(there, (name,)).fetchone()[0]:
            return 0  # nothing was ever materialized
        count: int = connection.execute(
            f"SELECT count(DISTINCT entity_key) FROM {quote(name)}"
        ).fetchone()[0]
        with connection:
            connection.execute(f"DELETE FROM {quote(name)}")
        return count


def _insert_in_order(connection: sqlite3.Connection, insert: str) -> None:
    connection.execute("CREATE INDEX temp.given_order ON given_rows (entity_key)")
    in_order = "WHERE entity_key > ? AND entity_key <= ? ORDER BY entity_key"
    for ends in pairwise(_cuts(connection)):
        with connection:
            connection.execute(f"{insert} {in_order} {UPDATE}", ends)


def _cuts(connection: sqlite3.Connection) -> Iterator[bytes]:
    """Yield keys that cut the given ones into parts of a transaction each."""
    yield b""
    step = (
        "SELECT max(entity_key) FROM (SELECT entity_key FROM temp.given_rows "
        "WHERE entity_key > ? ORDER BY entity_key LIMIT ?)"
    )
    last = b""
    while (last := connection.execute(step, (last, KEYS_AT_ONCE)).fetchone()[0]) is not None:
        yield last


class _Given:
    """Temporary tables of what is written: a row a key, and the features that are cut out of it.

    Handing over each float by itself would cost more than keeping it.
    """

    def __init__(self, view: FeatureView) -> None:
        self.view = view
        features = sorted(view.features, key=lambda field: field.name)
        self.floats = [field for field in features if field.dtype == Float32]
        self.others = [field for field in features if field.dtype != Float32]

    def create(self, connection: sqlite3.Connection) -> None:
        cells = "".join(f", value_{i}, text_{i}" for i in range(len(self.others)))
        columns = f"entity_key, event_ts, created_ts, numbers, texts{cells}"
        connection.execute(f"CREATE TEMP TABLE given_rows ({columns})")
        connection.execute("CREATE TEMP TABLE given_features (feature_name, slot, cell)")
        places: list[tuple[str, int | None, int | None]]
        places = [(field.name, slot, None) for slot, field in enumerate(self.floats)]
        places += [(field.name, None, cell) for cell, field in enumerate(self.others)]
        with connection:
            connection.executemany(
                "INSERT INTO temp.given_features VALUES (?, ?, ?)", sorted(places)
            )

    def add(self, connection: sqlite3.Connection, block: list[tuple[Any, ...]]) -> None:
        # One statement: of each SQLite gives Python's lock away, and waits for it again.
        marks = f"({', '.join('?' * (5 + 2 * len(self.others)))})"
        connection.execute(
            f"INSERT INTO temp.given_rows VALUES {', '.join([marks] * len(block))}",
            list(chain.from_iterable(block)),
        )

    def insert_into(self, name: str) -> str:
        """Return the beginning of a statement that makes a row of each given key and feature."""
        cuts = [
            f"substr({run}, slot * {width} + 1, {width})"
            for run, width in (("numbers", VALUE_WIDTH), ("texts", TEXT_WIDTH))
        ]
        number = f"coalesce(nullif({cuts[0]}, zeroblob({VALUE_WIDTH})), x'')"
        value, text = (
            f"CASE cell {' '.join(whens)} ELSE {own} END" if (whens := self._cells(kind)) else own
            for kind, own in (("value", number), ("text", f"nullif(rtrim({cuts[1]}), '')"))
        )
        return (
            f"INSERT INTO {name} ({', '.join(COLUMNS)}) "
            f"SELECT entity_key, feature_name, {value}, {text}, event_ts, created_ts "
            "FROM temp.given_rows CROSS JOIN temp.given_features"
        )

    def _cells(self, kind: str) -> list[str]:
        return [f"WHEN {i} THEN {kind}_{i}" for i in range(len(self.others))]


def _blocks(
    config: RepoConfig, given: _Given, tables: Iterable[pa.Table]
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of some keys at a time, each table's in the order of their keys."""
    for table in tables:
        keys = key_bytes(table, given.view, config.entity_key_serialization_version)
        order = sorted(range(len(keys)), key=keys.__getitem__)
        for start in range(0, len(order), KEYS_A_BLOCK):
            rows = order[start : start + KEYS_A_BLOCK]
            yield _rows(given, table.take(rows), [keys[row] for row in rows])


def _rows(given: _Given, table: pa.Table, keys: list[bytes]) -> list[tuple[Any, ...]]:
    columns: list[Sequence[Any]] = [
        keys,
        _moments(table[EVENT_TIME]),
        _moments(table[CREATED_TIME]),
        *float_slots([table[field.name] for field in given.floats], len(keys)),
    ]
    for field in given.others:
        columns.append(value_bytes(table[field.name], field.dtype.to_value_type()))
        columns.append(value_texts(table[field.name]))
    return list(zip(*columns, strict=True))


def _moments(column: pa.ChunkedArray) -> list[int | None]:
    """Return times as Feast adapts them for SQLite: whole seconds."""
    if time.timezone or time.daylight:  # Feast takes times for local ones, which shifts them
        return [moment and _local_seconds(moment) for moment in column.to_pylist()]
    micros = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    seconds: list[int | None] = pc.divide(micros, 1_000_000).to_pylist()
    return seconds


def _local_seconds(moment: datetime) -> int:
    try:
        seconds: int = adapt_datetime_epoch(to_naive_utc(moment))
        return seconds
    except ValueError:
        raise EmbfeastError(
            f"the online store (sqlite) cannot hold the time {moment} in this machine's time zone",
            "run with the environment variable TZ=UTC, here and where features are served",
        ) from None
