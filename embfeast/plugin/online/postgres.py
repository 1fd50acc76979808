"""Feature rows into Feast's PostgreSQL online store, in bulk, with vectors to search or without.

Feast's own write makes a statement of each single value. This one copies all of them into a
temporary table and moves them from there in one statement.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import pyarrow as pa
from feast import FeatureView
from feast.infra.online_stores.helpers import compute_table_id
from feast.repo_config import RepoConfig
from psycopg import sql

from embfeast.plugin import feast_compat
from embfeast.plugin.online.proto_rows import key_bytes
from embfeast.plugin.online.value_bytes import list_texts, value_bytes, value_texts
from embfeast.plugin.online.writer import table_by_table
from embfeast.tables.columns import CREATED_TIME, EVENT_TIME

COLUMNS = {  # with the types in which they are copied
    "entity_key": "bytea",
    "feature_name": "text",
    "value": "bytea",
    "value_text": "text",
    "event_ts": "timestamptz",
    "created_ts": "timestamptz",
    "vector_value": "text",  # which pgvector reads as Feast's own write gives it
}
NEW_ROWS = sql.SQL("CREATE TEMPORARY TABLE embfeast_new ({columns}) ON COMMIT DROP").format(
    columns=sql.SQL(", ").join(sql.SQL(f"{name} {kind}") for name, kind in COLUMNS.items())
)
COPY = sql.SQL("COPY embfeast_new FROM STDIN (FORMAT BINARY)")
MOVE = """
INSERT INTO {table} ({columns}) SELECT {values} FROM embfeast_new
ON CONFLICT (entity_key, feature_name) DO UPDATE SET {update}
"""


def can_write(config: RepoConfig) -> bool:
    """Tell whether the store's table lacks the column of numbers, for searches as OpenAI's."""
    return not config.online_store.enable_openai_compatible_store


def write(
    config: RepoConfig, store: Any, view: FeatureView, tables: Iterable[pa.Table], rows: int
) -> None:
    """Write feature rows, a table a transaction, in the place of what their keys had."""
    table_by_table(config, store, view, tables, partial(_write, config, store, view))


def erase(config: RepoConfig, store: Any, view: FeatureView, keys: pa.Table) -> None:
    """Remove what keys have; the server's own VACUUM empties the pages."""
    versioned = config.registry.enable_online_feature_view_versioning
    delete = sql.SQL("DELETE FROM {} WHERE entity_key = ANY(%s)").format(
        sql.Identifier(compute_table_id(config.project, view, versioned))
    )
    gone = key_bytes(keys, view, config.entity_key_serialization_version)
    with feast_compat.postgres_connection(store, config) as connection:
        connection.execute(delete, [gone])
        connection.commit()


def empty(config: RepoConfig, store: Any, view: FeatureView) -> int:
    """Remove all rows of a view: Feast's own way drops the tables of all its versions."""
    versioned = config.registry.enable_online_feature_view_versioning
    table = sql.Identifier(compute_table_id(config.project, view, versioned))
    with feast_compat.postgres_connection(store, config) as connection:
        there = connection.execute("SELECT to_regclass(%s)", [table.as_string()]).fetchone()
        if there[0] is None:
            return 0  # nothing was ever materialized
        count = sql.SQL("SELECT count(DISTINCT entity_key) FROM {}").format(table)
        rows: int = connection.execute(count).fetchone()[0]
        connection.execute(sql.SQL("TRUNCATE {}").format(table))
        connection.commit()
    return rows


def _write(config: RepoConfig, store: Any, view: FeatureView, table: pa.Table) -> None:
    searched = bool(config.online_store.vector_enabled)
    move = _move(config, view, searched)
    keys = key_bytes(table, view, config.entity_key_serialization_version)
    events, known = (
        column.cast(pa.timestamp("us", tz="UTC")).to_pylist()
        for column in (table[EVENT_TIME], table[CREATED_TIME])
    )
    features = list(_features(view, table, searched))
    with (
        feast_compat.postgres_connection(store, config) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(NEW_ROWS)
        with cursor.copy(COPY) as copy:
            copy.set_types(list(COLUMNS.values()))
            # In the order of the table's index, which is then appended to.
            for row in sorted(range(len(keys)), key=keys.__getitem__):
                times = events[row], known[row]
                for name, values, texts, vectors in features:
                    copy.write_row((keys[row], name, values[row], texts[row], *times, vectors[row]))
        cursor.execute(move)
        connection.commit()


def _features(
    view: FeatureView, table: pa.Table, searched: bool
) -> Iterator[tuple[str, list[bytes], list[str | None], Sequence[str | None]]]:
    """Yield each feature's name, its values, and what searches read of them: a cell a row."""
    for field in sorted(view.features, key=attrgetter("name")):
        column = table[field.name]
        vectors = list_texts(column) if searched else [None] * table.num_rows
        values = value_bytes(column, field.dtype.to_value_type())
        yield field.name, values, value_texts(column), vectors


def _move(config: RepoConfig, view: FeatureView, searched: bool) -> sql.Composed:
    versioned = config.registry.enable_online_feature_view_versioning
    columns = [name for name in COLUMNS if searched or name != "vector_value"]
    values = [f"{name}::vector" if name == "vector_value" else name for name in columns]
    return sql.SQL(MOVE).format(
        table=sql.Identifier(compute_table_id(config.project, view, versioned)),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ".join(values)),
        update=sql.SQL(", ").join(
            sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in columns[2:]
        ),
    )
