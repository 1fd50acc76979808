"""Point-in-time joins in DuckDB: to each entity row the features as they were at its time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embfeast.errors import EmbfeastError
from embfeast.plugin.database import quote
from embfeast.plugin.row_fetch import PLACE, fetch_rows, file_numbers, placed_scan, positions

MOMENT = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True)
class FeatureRelation:
    """What one feature view brings into a join.

    Attributes
    ----------
    view : str
        Named in errors.
    scan : str
        What stands after FROM; has the columns ``filename`` and ``file_row_number`` too.
    keys : tuple of (entity column, own column)
    event, created : str
        Time columns; created is None where the source has none.
    features : tuple of (own column, output column)
    ttl : timedelta or None
        How long a row stays valid; None for ever.
    files : tuple of str
        The Parquet files that `scan` reads, where it reads such: wide columns are then taken
        straight from them.
    """

    view: str
    scan: str
    keys: tuple[tuple[str, str], ...]
    event: str
    created: str | None
    features: tuple[tuple[str, str], ...]
    ttl: timedelta | None
    files: tuple[str, ...] = ()


def join_as_of(
    connection: duckdb.DuckDBPyConnection,
    entities: pa.Table,
    event_column: str,
    relations: Sequence[FeatureRelation],
    *,
    only_known: bool = False,
) -> pa.Table:
    """Add to each entity row the newest feature row at or before its time.

    Keys and times are joined first, by DuckDB's ASOF join; the wide feature columns are then
    fetched by row position and never travel through the join.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    entities : pyarrow.Table
        Rows keep their order, number and columns.
    event_column : str
        Of the entities: a time with zone.
    relations : sequence of FeatureRelation
    only_known : bool, default False
        Leave out feature rows that were created after the entity row's time.

    Returns
    -------
    pyarrow.Table
        The entities' columns, then each relation's features; null where there is no row.

    Notes
    -----
    Of rows of one event time the one created last counts, then the one in the part of the last
    name. A row is valid for its ttl, both ends included.
    """
    for relation in relations:
        _register_spine(connection, entities, event_column, relation)
        own = list(dict.fromkeys(column for column, _ in relation.features))
        fetch = _from_files if _are_in_files(relation, own) else _from_rows
        columns = fetch(connection, entities.num_rows, relation, own, only_known)
        for column, output in relation.features:
            entities = entities.append_column(output, columns[column])
    return entities


def _register_spine(
    connection: duckdb.DuckDBPyConnection,
    entities: pa.Table,
    event_column: str,
    relation: FeatureRelation,
) -> None:
    types = {
        row[0]: row[1]
        for row in connection.execute(f"DESCRIBE SELECT * FROM {relation.scan}").fetchall()  # noqa: S608
    }
    columns: dict[str, Any] = {"spine_row": pa.array(np.arange(entities.num_rows))}
    columns["spine_time"] = entities[event_column]
    for position, (name, own) in enumerate(relation.keys):
        for table, column in ((entities.column_names, name), (types, own)):
            if column not in table:
                raise EmbfeastError(
                    f"view {relation.view!r}: there is no key column {column!r}; it has "
                    f"{', '.join(table)}"
                )
        columns[f"spine_key_{position}"] = entities[name]
    connection.register("given_spine", pa.table(columns))
    casts = [
        f"CAST(spine_key_{i} AS {types[own]}) AS spine_key_{i}"
        for i, (_, own) in enumerate(relation.keys)
    ]
    selected = ", ".join(["spine_row", "spine_time", *casts])
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE spine AS SELECT {selected} FROM given_spine"  # noqa: S608
        )
    except duckdb.ConversionException as error:
        names = ", ".join(f"{name} ({types[own]})" for name, own in relation.keys)
        raise EmbfeastError(
            f"view {relation.view!r}: the entity rows' keys cannot be compared with {names}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    finally:
        connection.unregister("given_spine")


def _match_sql(relation: FeatureRelation, only_known: bool) -> str:
    """Return the SELECT of (spine_row, place)."""
    keys = [f"{quote(own)} AS row_key_{i}" for i, (_, own) in enumerate(relation.keys)]
    names = [f"row_key_{i}" for i in range(len(keys))]
    event = f"CAST({quote(relation.event)} AS {MOMENT})"
    known = event
    if relation.created:
        known = f"coalesce(CAST({quote(relation.created)} AS {MOMENT}), {event})"
    visible = f"greatest({event}, {known})" if only_known else event
    narrow = ", ".join(
        [*keys, f"{event} AS row_time", f"{known} AS row_known", f"{visible} AS row_visible"]
    )
    partition = f"PARTITION BY {', '.join(names)} " if names else ""
    moment = ", ".join([*names, "row_visible"])
    rows = f"(SELECT {narrow}, {PLACE} FROM {_placed(relation)})"  # noqa: S608
    if only_known:
        # The best row that could be seen at each moment at which another one came into sight.
        row = f"max({{t: row_time, k: row_known, {PLACE}: {PLACE}}})"
        seen = f"({partition}ORDER BY row_visible RANGE UNBOUNDED PRECEDING)"
        best = f"SELECT DISTINCT {moment}, {row} OVER {seen} AS best FROM {rows}"  # noqa: S608
        time = "best.t"
    else:  # rows come into sight in the order of their times: the last one is the best
        row = f"max({{k: row_known, {PLACE}: {PLACE}}})"
        best = f"SELECT {moment}, {row} AS best FROM {rows} GROUP BY {moment}"  # noqa: S608
        time = "row_visible"
    same = " AND ".join(f"spine_key_{i} = row_key_{i}" for i in range(len(names)))
    valid = ""
    if relation.ttl:
        seconds = relation.ttl.total_seconds()
        valid = f"WHERE {time} >= spine_time - to_microseconds({round(seconds * 1e6)})"
    return (
        f"SELECT spine_row, best.{PLACE} AS {PLACE} FROM spine "  # noqa: S608
        f"ASOF JOIN ({best}) "
        f"ON {same + ' AND ' if same else ''}spine_time >= row_visible {valid}"
    )


def _are_in_files(relation: FeatureRelation, columns: list[str]) -> bool:
    """Tell whether columns can be read from the files themselves, as a partition's cannot."""
    return bool(relation.files) and set(columns) <= set(pq.read_schema(relation.files[0]).names)


def _from_files(
    connection: duckdb.DuckDBPyConnection,
    rows: int,
    relation: FeatureRelation,
    own: list[str],
    only_known: bool,
) -> dict[str, pa.Array]:
    files = _register_files(connection, relation)
    found = connection.sql(_match_sql(relation, only_known)).to_arrow_table()
    file_of, row_of = np.full((2, rows), -1, dtype=np.int64)
    spine_rows = found["spine_row"].to_numpy()
    file_of[spine_rows], row_of[spine_rows] = positions(
        found[PLACE].to_numpy(), f"view {relation.view!r}"
    )
    return fetch_rows(files, file_of, row_of, own)


def _from_rows(
    connection: duckdb.DuckDBPyConnection,
    rows: int,
    relation: FeatureRelation,
    own: list[str],
    only_known: bool,
) -> dict[str, pa.Array]:
    _register_files(connection, relation)
    matches = connection.sql(_match_sql(relation, only_known)).to_arrow_table()
    positions(matches[PLACE].to_numpy(), f"view {relation.view!r}")  # every row's file is known
    connection.register("matches", matches)
    selected = ", ".join(f"r.{quote(column)} AS feature_{i}" for i, column in enumerate(own))
    fetched = connection.sql(
        f"SELECT m.spine_row{', ' if own else ''}{selected} "  # noqa: S608
        f"FROM {_placed(relation)} r JOIN matches m USING ({PLACE})"
    ).to_arrow_table()
    connection.unregister("matches")
    fetched_row = np.full(rows, -1, dtype=np.int64)
    fetched_row[fetched["spine_row"].to_numpy()] = np.arange(fetched.num_rows)
    indices = pa.array(fetched_row, mask=fetched_row < 0)
    return {
        column: fetched[f"feature_{i}"].combine_chunks().take(indices)
        for i, column in enumerate(own)
    }


def _register_files(connection: duckdb.DuckDBPyConnection, relation: FeatureRelation) -> list[str]:
    """Register the table ``files`` for `placed_scan`, and return them."""
    # Of equal rows that in the file of the last name counts.
    files = sorted(relation.files)
    connection.register("files", file_numbers(files))
    return files


def _placed(relation: FeatureRelation) -> str:
    """Return what reads rows with their place; rows of no file have their number alone."""
    if relation.files:
        return placed_scan(relation.scan)
    return f"(SELECT *, file_row_number AS {PLACE} FROM {relation.scan})"  # noqa: S608
