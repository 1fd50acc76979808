"""The newest revision of each key in a feature table: what belongs into the online store."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embfeast.plugin import database, parts
from embfeast.plugin.feature_table import CREATED_TIME, EVENT_TIME
from embfeast.plugin.row_fetch import fetch_rows

NEWEST_FIRST = f"{EVENT_TIME} DESC, {CREATED_TIME} DESC, filename DESC, file_row_number DESC"


def newest_rows(
    folder: Path,
    keys: Sequence[str],
    start: datetime,
    end: datetime,
    *,
    batch_rows: int = 10_000,
) -> Iterator[pa.Table]:
    """Yield the newest revision of every key that has a row in a period.

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
        Most rows a table yielded.

    Yields
    ------
    pyarrow.Table
        All columns of the table, one row a key.
    """
    by = ", ".join(map(database.quote, keys))
    files = parts.files(folder)
    winners = _positions(
        folder,
        f"""
        SELECT filename, file_row_number FROM (
            SELECT filename, file_row_number,
                   row_number() OVER (PARTITION BY {by} ORDER BY {NEWEST_FIRST}) AS age,
                   bool_or(({EVENT_TIME} >= $start OR {CREATED_TIME} >= $start)
                           AND {EVENT_TIME} <= $end) OVER (PARTITION BY {by}) AS touched
            FROM {parts.scan_files_sql(files, row_ids=True)}
        ) WHERE age = 1 AND touched ORDER BY filename, file_row_number
        """,  # noqa: S608 - names are quoted, values bound
        {"start": start, "end": end},
    )
    yield from _rows_at(folder, files, winners, batch_rows)


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
    by = ", ".join(map(database.quote, keys))
    same = " AND ".join(f"t.{database.quote(key)} = w.{database.quote(key)}" for key in keys)
    files = parts.files(folder)
    winners = _positions(
        folder,
        f"""
        SELECT filename, file_row_number
        FROM (SELECT * FROM {parts.scan_files_sql(files, row_ids=True)}
              WHERE {EVENT_TIME} >= $since) t SEMI JOIN written w ON {same}
        QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY {NEWEST_FIRST}) = 1
        """,  # noqa: S608 - names are quoted, values bound
        {"since": pc.min(written[EVENT_TIME]).as_py()},
        written=written,
    )
    return pa.concat_tables(_rows_at(folder, files, winners, max(1, winners.num_rows)))


def _positions(folder: Path, sql: str, values: dict[str, Any], **tables: pa.Table) -> pa.Table:
    """Return file and row of what a query over keys and times chooses.

    The wide columns are read afterwards, for the chosen rows alone.
    """
    connection = database.connect_memory()
    try:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(sql, params=values).to_arrow_table()
    except duckdb.Error as error:
        raise parts.why_not(folder, error) from error
    finally:
        connection.close()


def _rows_at(
    folder: Path, files: list[str], winners: pa.Table, batch_rows: int
) -> Iterator[pa.Table]:
    coded = winners["filename"].combine_chunks().dictionary_encode()
    numbers = np.array([files.index(file) for file in coded.dictionary.to_pylist()], dtype=np.int64)
    file_of = numbers[coded.indices.to_numpy()]
    row_of = winners["file_row_number"].to_numpy()
    schema = pq.read_schema(files[0]).remove_metadata()
    for first in range(0, len(file_of), batch_rows):
        some = slice(first, first + batch_rows)
        try:
            columns = fetch_rows(files, file_of[some], row_of[some], schema.names)
        except (OSError, pa.ArrowException) as error:
            raise parts.why_not(folder, error) from error
        yield pa.table([columns[name] for name in schema.names], schema=schema)
