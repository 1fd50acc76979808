"""The newest revision of each key in a feature table: what belongs into the online store."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from embfeast.plugin import database, parts
from embfeast.plugin.feature_table import CREATED_TIME, EVENT_TIME


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
    by = ", ".join(database.quote(key) for key in keys)
    scan = parts.scan_sql(folder, row_ids=True)
    connection = database.connect_memory()
    try:
        # Keys and times decide; the wide columns are read afterwards, for the winners alone.
        parts.run(
            connection,
            folder,
            f"""
            CREATE TEMP TABLE winners AS
            SELECT filename, file_row_number FROM (
                SELECT filename, file_row_number,
                       row_number() OVER revisions AS age,
                       bool_or(({EVENT_TIME} >= $start OR {CREATED_TIME} >= $start)
                               AND {EVENT_TIME} <= $end) OVER (PARTITION BY {by}) AS touched
                FROM {scan}
                WINDOW revisions AS (
                    PARTITION BY {by}
                    ORDER BY {EVENT_TIME} DESC, {CREATED_TIME} DESC, filename DESC,
                             file_row_number DESC)
            ) WHERE age = 1 AND touched
            """,  # noqa: S608 - names are quoted, values bound
            {"start": start, "end": end},
        )
        newest = connection.sql(
            f"SELECT t.* EXCLUDE (filename, file_row_number) FROM {scan} t "  # noqa: S608
            "SEMI JOIN winners USING (filename, file_row_number)"
        )
        try:
            for batch in newest.to_arrow_reader(batch_rows):
                yield pa.Table.from_batches([batch])
        except (duckdb.Error, OSError) as error:
            raise parts.why_not(folder, error) from error
    finally:
        connection.close()
