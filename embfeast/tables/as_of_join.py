"""Point-in-time joins in DuckDB: to each entity row the features as they were at its time."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from embfeast.errors import EmbfeastError
from embfeast.storage import open_to_read
from embfeast.tables.fetch import (
    PLACE,
    ROWS,
    Positions,
    fetch_rows,
    file_numbers,
    hand_over_rows,
    placed_scan,
    positions,
)
from embfeast.tables.keys import exact_keys
from embfeast.tables.shuffle import Shuffle
from embfeast.texts.database import quote

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


@dataclass(frozen=True)
class Spine:
    """The rows that features are joined to.

    Attributes
    ----------
    times : pyarrow.Array of length n
        Times with a zone.
    keys : mapping from a key's name to a column of length n
        As people gave them.
    """

    times: pa.Array | pa.ChunkedArray
    keys: Mapping[str, pd.Series | pa.Array | pa.ChunkedArray]

    def __len__(self) -> int:
        return len(self.times)

    @classmethod
    def of_table(cls, table: pa.Table) -> "Spine":
        """Return what `to_table` was made of."""
        times, *keys = table.columns
        return cls(times, dict(zip(table.column_names[1:], keys, strict=True)))

    def to_table(self) -> pa.Table:
        """Return the times and then the keys as one Arrow table, of which slices are small."""
        return pa.table([self.times, *self.keys.values()], names=["time", *self.keys])


def join_as_of(
    connection: duckdb.DuckDBPyConnection,
    spine: Spine,
    relations: Sequence[FeatureRelation],
    *,
    only_known: bool = False,
) -> pa.Table:
    """Find for each row of a spine the newest feature row at or before its time.

    Keys and times are joined first, by DuckDB's ASOF join; the wide feature columns are then
    fetched by row position and never travel through the join.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    spine : Spine
    relations : sequence of FeatureRelation
    only_known : bool, default False
        Leave out feature rows that were created after the spine row's time.

    Returns
    -------
    pyarrow.Table of n rows
        Each relation's features; null where there is no row.

    Raises
    ------
    EmbfeastError
        A key is missing, or of another kind than the view's.

    Notes
    -----
    Of rows of one event time the one created last counts, then the one in the file of the last
    name. A row is valid for its ttl, both ends included.
    """
    found: dict[str, pa.Array] = {}
    for relation in relations:
        _register_spine(connection, spine, relation)
        own = _own_columns(relation)
        fetch = _from_files if _are_in_files(relation, own) else _from_rows
        columns = fetch(connection, len(spine), relation, own, only_known)
        found |= {output: columns[column] for column, output in relation.features}
    return pa.table(found)


def stream_as_of(
    connection: duckdb.DuckDBPyConnection,
    spine: Spine,
    relations: Sequence[FeatureRelation],
    *,
    only_known: bool = False,
    step: int,
    folder: Path | None = None,
) -> Generator[pa.Table, None, None]:
    """Find what `join_as_of` finds, and yield it in slices of so many rows.

    Besides keys, times and row numbers little more than a slice is in memory: features are put
    aside on disk as they are read, in a file of their uncompressed size.

    Parameters
    ----------
    step : int
        Rows of a slice.
    folder : Path or None
        Where features are put aside; None for the machine's folder of temporary files.

    Others are as in `join_as_of`.
    """
    with ExitStack() as opened:
        found = []
        for relation in relations:
            _register_spine(connection, spine, relation)
            made = _shuffled(connection, len(spine), relation, only_known, step, folder)
            opened.callback(made.close)
            found.append((relation, made.slices()))
        connection.execute("DROP TABLE IF EXISTS spine")
        for _ in range(0, max(len(spine), 1), step):
            made_here: dict[str, pa.ChunkedArray] = {}
            for relation, slices in found:
                cells = next(slices)
                made_here |= {output: cells[column] for column, output in relation.features}
            yield pa.table(made_here)


def _shuffled(
    connection: duckdb.DuckDBPyConnection,
    rows: int,
    relation: FeatureRelation,
    only_known: bool,
    step: int,
    folder: Path | None,
) -> Shuffle:
    own = _own_columns(relation)
    if _are_in_files(relation, own):
        files, file_of, row_of = _matched(connection, rows, relation, only_known)
        stored = pq.read_schema(open_to_read(files[0]))
        schema = pa.schema([stored.field(name).remove_metadata() for name in own])
        made = Shuffle(rows, step, schema, folder)
        hand_over_rows(files, file_of, row_of, own, made.add)
        return made
    reader = _rows_matched(connection, relation, own, only_known).to_arrow_reader(ROWS)
    schema = pa.schema([reader.schema.field(i + 1).with_name(n) for i, n in enumerate(own)])
    made = Shuffle(rows, step, schema, folder)
    for batch in reader:
        cells = pa.Table.from_batches([batch]).drop_columns("spine_row").rename_columns(own)
        made.add(batch["spine_row"].to_numpy(), cells)
    return made


def bytes_a_row(relations: Iterable[FeatureRelation]) -> float:
    """Return about how many bytes a row of the features takes in memory, by the files' footers."""
    total = 0.0
    for relation in relations:
        own = _own_columns(relation)
        if not _are_in_files(relation, own):
            continue
        footers = (pq.read_metadata(open_to_read(file)) for file in relation.files)
        if about := next((footer for footer in footers if footer.num_rows), None):
            total += _column_bytes(about, own) / about.num_rows
    return total


def _column_bytes(about: pq.FileMetaData, own: list[str]) -> int:
    """Return the uncompressed bytes of columns of a file."""
    total = 0
    for group in map(about.row_group, range(about.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema.split(".")[0] in own:
                total += column.total_uncompressed_size
    return total


def _own_columns(relation: FeatureRelation) -> list[str]:
    return list(dict.fromkeys(column for column, _ in relation.features))


def exact_spine(
    connection: duckdb.DuckDBPyConnection, spine: Spine, relation: FeatureRelation
) -> Spine:
    """Return a spine with the keys of one relation alone, of the kinds that it has stored.

    Raises
    ------
    EmbfeastError
        As `join_as_of`.
    """
    schema = connection.sql(f"SELECT * FROM {relation.scan} LIMIT 0").to_arrow_table().schema
    keys: dict[str, Any] = {}
    for name, own in relation.keys:
        for where, column in ((list(spine.keys), name), (schema.names, own)):
            if column not in where:
                raise EmbfeastError(
                    f"view {relation.view!r}: there is no key column {column!r}; it has "
                    f"{', '.join(where) or 'none'}"
                )
        try:
            keys[name] = exact_keys(spine.keys[name], schema.field(own).type)
        except EmbfeastError as error:
            raise EmbfeastError(f"view {relation.view!r}: key {name!r}: {error}") from error
    return Spine(spine.times, keys)


def _register_spine(
    connection: duckdb.DuckDBPyConnection, spine: Spine, relation: FeatureRelation
) -> None:
    exact = exact_spine(connection, spine, relation)
    columns: dict[str, Any] = {"spine_row": np.arange(len(spine)), "spine_time": spine.times}
    for position, (name, _) in enumerate(relation.keys):
        columns[f"spine_key_{position}"] = exact.keys[name]
    connection.register("given_spine", pa.table(columns))
    connection.execute("CREATE OR REPLACE TEMP TABLE spine AS FROM given_spine")
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
    rows = f"(SELECT {narrow}, {PLACE} FROM {_placed(relation)})"
    if only_known:
        # The best row that could be seen at each moment at which another one came into sight.
        row = f"max({{t: row_time, k: row_known, {PLACE}: {PLACE}}})"
        seen = f"({partition}ORDER BY row_visible RANGE UNBOUNDED PRECEDING)"
        best = f"SELECT DISTINCT {moment}, {row} OVER {seen} AS best FROM {rows}"
        time = "best.t"
    else:  # rows come into sight in the order of their times: the last one is the best
        row = f"max({{k: row_known, {PLACE}: {PLACE}}})"
        best = f"SELECT {moment}, {row} AS best FROM {rows} GROUP BY {moment}"
        time = "row_visible"
    same = " AND ".join(f"spine_key_{i} = row_key_{i}" for i in range(len(names)))
    valid = ""
    if relation.ttl:
        seconds = relation.ttl.total_seconds()
        valid = f"WHERE {time} >= spine_time - to_microseconds({round(seconds * 1e6)})"
    return (
        f"SELECT spine_row, best.{PLACE} AS {PLACE} FROM spine "
        f"ASOF JOIN ({best}) "
        f"ON {same + ' AND ' if same else ''}spine_time >= row_visible {valid}"
    )


def _are_in_files(relation: FeatureRelation, columns: list[str]) -> bool:
    """Tell whether columns can be read from the files themselves, as a partition's cannot."""
    return bool(relation.files) and set(columns) <= set(
        pq.read_schema(open_to_read(relation.files[0])).names
    )


def _from_files(
    connection: duckdb.DuckDBPyConnection,
    rows: int,
    relation: FeatureRelation,
    own: list[str],
    only_known: bool,
) -> dict[str, pa.Array]:
    return fetch_rows(*_matched(connection, rows, relation, only_known), own)


def _matched(
    connection: duckdb.DuckDBPyConnection, rows: int, relation: FeatureRelation, only_known: bool
) -> tuple[list[str], Positions, Positions]:
    """Return the files, and for each row of the spine which one and which row of it."""
    files = _register_files(connection, relation)
    found = connection.sql(_match_sql(relation, only_known)).to_arrow_table()
    file_of, row_of = np.full((2, rows), -1, dtype=np.int64)
    spine_rows = found["spine_row"].to_numpy()
    file_of[spine_rows], row_of[spine_rows] = positions(
        found[PLACE].to_numpy(), f"view {relation.view!r}"
    )
    return files, file_of, row_of


def _from_rows(
    connection: duckdb.DuckDBPyConnection,
    rows: int,
    relation: FeatureRelation,
    own: list[str],
    only_known: bool,
) -> dict[str, pa.Array]:
    fetched = _rows_matched(connection, relation, own, only_known).to_arrow_table()
    connection.unregister("matches")
    fetched_row = np.full(rows, -1, dtype=np.int64)
    fetched_row[fetched["spine_row"].to_numpy()] = np.arange(fetched.num_rows)
    indices = pa.array(fetched_row, mask=fetched_row < 0)
    return {
        column: fetched[f"feature_{i}"].combine_chunks().take(indices)
        for i, column in enumerate(own)
    }


def _rows_matched(
    connection: duckdb.DuckDBPyConnection,
    relation: FeatureRelation,
    own: list[str],
    only_known: bool,
) -> duckdb.DuckDBPyRelation:
    """Return the query of (spine_row, feature_0, feature_1...), in any order."""
    _register_files(connection, relation)
    matches = connection.sql(_match_sql(relation, only_known)).to_arrow_table()
    positions(matches[PLACE].to_numpy(), f"view {relation.view!r}")  # every row's file is known
    connection.register("matches", matches)
    selected = ", ".join(f"r.{quote(column)} AS feature_{i}" for i, column in enumerate(own))
    return connection.sql(
        f"SELECT m.spine_row{', ' if own else ''}{selected} "
        f"FROM {_placed(relation)} r JOIN matches m USING ({PLACE})"
    )


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
    return f"(SELECT *, file_row_number AS {PLACE} FROM {relation.scan})"
