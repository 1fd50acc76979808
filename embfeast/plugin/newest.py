"""The newest revision of each key in a feature table: what belongs into the online store."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embfeast.errors import EmbfeastError
from embfeast.plugin import database, parts
from embfeast.plugin.feature_table import CREATED_TIME, EVENT_TIME
from embfeast.plugin.row_fetch import (
    PLACE,
    Positions,
    fetch_rows,
    file_numbers,
    placed_scan,
    positions,
)

# Of a key's rows the one of the latest event, then the one known last, then the one written last.
NEWEST = f"max({{t: {EVENT_TIME}, c: {CREATED_TIME}, {PLACE}: {PLACE}}})"


def newest_rows(
    folder: Path,
    keys: Sequence[str],
    start: datetime,
    end: datetime,
    *,
    batch_rows: int = 10_000,
) -> tuple[int, Iterator[pa.Table]]:
    """Find the newest revision of every key that has a row in a period.

    The newest is taken from the whole table: a run over an older period never puts an old value
    in the place of a newer one.

    Parameters
    ----------
    folder : Path
        Of the table's parts.
    keys : sequence of str
    start, end : datetime
        The period, by event or created time, both ends included.
    batch_rows : int, default 10,000
        Most rows of one of the tables returned.

    Returns
    -------
    count : int
        Of rows.
    rows : iterator of pyarrow.Table
        All columns of the table, one row a key.
    """
    files = parts.files(folder)
    winners = _chosen(
        folder,
        files,
        f"""
        SELECT best.{PLACE} FROM (
            SELECT {NEWEST} AS best,
                   bool_or(({EVENT_TIME} >= $start OR {CREATED_TIME} >= $start)
                           AND {EVENT_TIME} <= $end) AS touched
            FROM {_scan(files)} GROUP BY {_listed(keys)}
        ) WHERE touched ORDER BY ALL
        """,  # noqa: S608 - names are quoted, values bound
        {"start": start, "end": end},
    )
    return winners.num_rows, _rows_at(folder, files, winners, batch_rows)


def newest_of_keys(folder: Path, keys: Sequence[str], written: pa.Table) -> pa.Table:
    """Return the newest revision of the keys of rows that have just been written.

    Nothing older than those rows can be newer than they are: parts of earlier times are skipped by
    their statistics, so the cost does not grow with the table's history.

    Parameters
    ----------
    folder : Path
        Of the table's parts.
    keys : sequence of str
    written : pyarrow.Table
        Keys, event and created time of rows of the table.

    Returns
    -------
    pyarrow.Table
        All columns of the table, one row a key.
    """
    same = " AND ".join(f"t.{database.quote(key)} = w.{database.quote(key)}" for key in keys)
    files = parts.files(folder)
    winners = _chosen(
        folder,
        files,
        f"""
        SELECT best.{PLACE} FROM (
            SELECT {NEWEST} AS best
            FROM (SELECT * FROM {_scan(files)}
                  WHERE {EVENT_TIME} >= $since) t SEMI JOIN written w ON {same}
            GROUP BY {_listed(keys)})
        """,  # noqa: S608 - names are quoted, values bound
        {"since": pc.min(written[EVENT_TIME]).as_py()},
        written=written,
    )
    return pa.concat_tables(_rows_at(folder, files, winners, max(1, winners.num_rows)))


def newest_positions(
    folder: Path,
    keys: Sequence[str],
    *,
    as_of: datetime | None = None,
    only: Mapping[str, Any] | None = None,
    without: Mapping[str, Any] | None = None,
) -> tuple[list[str], Positions, Positions]:
    """Find the newest revision of every key: the files, and each row's file and place there.

    Parameters
    ----------
    folder : Path
        Of the table's parts.
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
        A part cannot be read, or a given key has not the type of the table's.
    """
    files = parts.files(folder)
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
            folder,
            files,
            f"SELECT best.{PLACE} FROM ("  # noqa: S608 - names are quoted
            f"SELECT {NEWEST} AS best FROM {_scan(files)} "
            f"WHERE {' AND '.join(conditions)} GROUP BY {_listed(keys)})",
            values,
        )
    except duckdb.ConversionException as error:
        raise EmbfeastError(
            f"key {only or without} is not of the type of {_listed(keys)} in {folder}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    return files, *_positions(folder, winners)


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(map(database.quote, keys))


def _scan(files: Sequence[str]) -> str:
    """Return what reads files with each row's place."""
    return placed_scan(parts.scan_files_sql(files, row_ids=True))


def _chosen(
    folder: Path, files: Sequence[str], sql: str, values: dict[str, Any], **tables: pa.Table
) -> pa.Table:
    """Return the places of what a query over keys and times chooses.

    The wide columns are read afterwards, for the chosen rows alone.
    """
    connection = database.connect_memory()
    try:
        for name, table in {**tables, "files": file_numbers(files)}.items():
            connection.register(name, table)
        return connection.sql(sql, params=values).to_arrow_table()
    except duckdb.ConversionException:  # a key of another type: the caller knows which
        raise
    except duckdb.Error as error:
        raise parts.why_not(folder, error) from error
    finally:
        connection.close()


def _positions(folder: Path, winners: pa.Table) -> tuple[Positions, Positions]:
    return positions(winners[PLACE].to_numpy(), f"feature table {folder}")


def _rows_at(
    folder: Path, files: list[str], winners: pa.Table, batch_rows: int
) -> Iterator[pa.Table]:
    file_of, row_of = _positions(folder, winners)
    schema = pq.read_schema(files[0]).remove_metadata()
    for first in range(0, len(file_of), batch_rows):
        some = slice(first, first + batch_rows)
        try:
            columns = fetch_rows(files, file_of[some], row_of[some], schema.names)
        except (OSError, pa.ArrowException) as error:
            raise parts.why_not(folder, error) from error
        yield pa.table([columns[name] for name in schema.names], schema=schema)
