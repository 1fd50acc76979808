"""The newest revision of each key in a feature table: what belongs into the online store."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from embfeast.errors import EmbfeastError
from embfeast.tables.columns import CREATED_TIME, EVENT_TIME
from embfeast.tables.fetch import (
    PLACE,
    Positions,
    fetch_rows,
    file_numbers,
    placed_scan,
    positions,
)
from embfeast.tables.place import READ_ERRORS
from embfeast.tables.table import Table
from embfeast.texts import database

LAST = datetime.max.replace(tzinfo=UTC)
# Of so few rows the newest are found without a query.
FEW_ROWS = 1_000
# Of a key's rows the one of the latest event, then the one known last, then the one written last.
NEWEST = f"max({{t: {EVENT_TIME}, c: {CREATED_TIME}, {PLACE}: {PLACE}}})"


def newest_rows(
    table: Table,
    keys: Sequence[str],
    start: datetime | None,
    end: datetime | None,
    *,
    batch_rows: int = 10_000,
) -> tuple[int, Iterator[pa.Table]]:
    """Find the newest revision of every key that has a row in a period.

    The newest is taken from the whole table: a run over an older period never puts an old value
    in the place of a newer one.

    Parameters
    ----------
    table : Table
    keys : sequence of str
    start, end : datetime or None
        The period, by event or created time, both ends included; None for no end.
    batch_rows : int, default 10,000
        Most rows of one of the tables returned.

    Returns
    -------
    count : int
        Of rows.
    rows : iterator of pyarrow.Table
        Keys, times and features, one row a key.
    """
    file_of, row_of = newest_places(table, keys, start, end)
    return len(file_of), _rows_at(table, file_of, row_of, batch_rows)


def newest_places(
    table: Table, keys: Sequence[str], start: datetime | None, end: datetime | None
) -> tuple[Positions, Positions]:
    """Return where the rows are that `newest_rows` gives: the file's number, and the row in it."""
    winners = _chosen(
        table,
        f"""
        SELECT best.{PLACE} FROM (
            SELECT {NEWEST} AS best,
                   bool_or(({EVENT_TIME} >= $start OR {CREATED_TIME} >= $start)
                           AND {EVENT_TIME} <= $end) AS touched
            FROM {_scan(table)} GROUP BY {_listed(keys)}
        ) WHERE touched ORDER BY ALL
        """,
        {"start": start or datetime.min.replace(tzinfo=UTC), "end": end or LAST},
    )
    return _positions(table, winners)


def read_rows(
    files: Sequence[str], file_of: Positions, row_of: Positions, schema: pa.Schema
) -> pa.Table:
    """Read rows of a table's files."""
    columns = fetch_rows(files, file_of, row_of, schema.names)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def newest_of_keys(table: Table, keys: Sequence[str], written: pa.Table) -> pa.Table:
    """Return the newest revision of the keys of rows that have just been written.

    Nothing older than those rows can be newer than they are: files of earlier times are skipped by
    what the log says of them, so the cost does not grow with the table's history.

    Parameters
    ----------
    table : Table
    keys : sequence of str
    written : pyarrow.Table
        Keys, event and created time of rows of the table.

    Returns
    -------
    pyarrow.Table
        Keys, times and features, one row a key.
    """
    since = pc.min(written[EVENT_TIME]).as_py()
    files = table.overlapping(since, None, EVENT_TIME)
    counts = table.rows_of()
    if sum(counts[file] for file in files) <= FEW_ROWS:
        return _newest_of_few(table, files, keys, written)
    same = " AND ".join(f"t.{database.quote(key)} = w.{database.quote(key)}" for key in keys)
    winners = _chosen(
        table,
        f"""
        SELECT best.{PLACE} FROM (
            SELECT {NEWEST} AS best
            FROM (SELECT * FROM {_scan(table, files)}
                  WHERE {EVENT_TIME} >= $since) t SEMI JOIN written w ON {same}
            GROUP BY {_listed(keys)})
        """,
        {"since": since},
        written=written,
    )
    file_of, row_of = _positions(table, winners)
    return pa.concat_tables(_rows_at(table, file_of, row_of, max(1, len(file_of))))


def _newest_of_few(
    table: Table, files: Sequence[str], keys: Sequence[str], written: pa.Table
) -> pa.Table:
    """Do as `newest_of_keys`, in memory: a query would take longer than the rows."""
    none = table.schema.empty_table()
    rows = pa.concat_tables([none, *map(table.read, files)]).select(table.columns)
    wanted = set(zip(*(written[key].to_pylist() for key in keys), strict=True))
    named = zip(*(rows[key].to_pylist() for key in keys), strict=True)
    times = zip(rows[EVENT_TIME].to_pylist(), rows[CREATED_TIME].to_pylist(), strict=True)
    newest: dict[tuple[Any, ...], tuple[Any, int]] = {}
    for place, (key, moment) in enumerate(zip(named, times, strict=True)):
        if key in wanted:
            newest[key] = max(newest.get(key, (moment, place)), (moment, place))
    places = pa.array([place for _, place in newest.values()], pa.int64())
    return rows.take(places).combine_chunks()


def newest_positions(
    table: Table,
    keys: Sequence[str],
    *,
    as_of: datetime | None = None,
    only: Mapping[str, Any] | None = None,
    without: Mapping[str, Any] | None = None,
) -> tuple[list[str], Positions, Positions]:
    """Find the newest revision of every key: the files, and each row's file and place there.

    Parameters
    ----------
    table : Table
    keys : sequence of str
    as_of : datetime, optional
        Revisions of a later event time do not count, as in a training set.
    only, without : mapping, optional
        A key, by column: it alone, or all but it.

    Returns
    -------
    files : list of str
    file_of, row_of : ndarray of shape (keys,), int64

    Raises
    ------
    EmbfeastError
        A file cannot be read, or a given key has not the type of the table's.
    """
    conditions, values = ["true"], {}
    if as_of is not None:
        conditions.append(f"{EVENT_TIME} <= $as_of")
        values["as_of"] = as_of
    for key, how in ((only, ""), (without, "NOT ")):
        if key is not None:
            same = [f"{database.quote(c)} = $key_{i}" for i, c in enumerate(keys)]
            conditions.append(f"{how}({' AND '.join(same)})")
            values |= {f"key_{i}": key[c] for i, c in enumerate(keys)}
    try:
        winners = _chosen(
            table,
            f"SELECT best.{PLACE} FROM ("
            f"SELECT {NEWEST} AS best FROM {_scan(table)} "
            f"WHERE {' AND '.join(conditions)} GROUP BY {_listed(keys)})",
            values,
        )
    except duckdb.ConversionException as error:
        raise EmbfeastError(
            f"key {only or without} is not of the type of {_listed(keys)} in {table.place}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    return table.files, *_positions(table, winners)


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(map(database.quote, keys))


def _scan(table: Table, files: Sequence[str] | None = None) -> str:
    """Return what reads a table, or some of its files, with each row's place."""
    return placed_scan(table.scan(files, row_ids=True))


def _chosen(table: Table, sql: str, values: dict[str, Any], **tables: pa.Table) -> pa.Table:
    """Return the places of what a query over keys and times chooses.

    The wide columns are read afterwards, for the chosen rows alone.
    """
    return table.query(sql, values, files=file_numbers(table.files), **tables)


def _positions(table: Table, winners: pa.Table) -> tuple[Positions, Positions]:
    return positions(winners[PLACE].to_numpy(), f"feature table {table.place}")


def _rows_at(
    table: Table, file_of: Positions, row_of: Positions, batch_rows: int
) -> Iterator[pa.Table]:
    schema = pa.schema([table.schema.field(name) for name in table.columns])
    for first in range(0, len(file_of), batch_rows):
        some = slice(first, first + batch_rows)
        try:
            yield read_rows(table.files, file_of[some], row_of[some], schema)
        except READ_ERRORS as error:
            raise table.why_not(error) from error
