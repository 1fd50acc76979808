"""Load your own file: `python scripts/ingest.py reviews.csv --text body --label stars`.

CSV, Parquet and JSON Lines of any size go through DuckDB's readers into the tables that the sample
feature repository reads.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from console import console, run
from embfeast import EmbfeastError
from embfeast.plugin.database import quote
from embfeast.scaffold.loading import cannot_read, check_columns, columns_of, scan_file

LAST = "TIMESTAMPTZ '2026-06-30 00:00:00+00'"


@dataclass
class IngestSummary:
    """What was loaded.

    Attributes
    ----------
    rows, missing : int
        Rows, and those of them whose text is missing or blank.
    notes : list of str
        What was made up or taken for granted, a sentence each.
    """

    rows: int = 0
    missing: int = 0
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.rows:,} rows loaded, {self.missing:,} without a text"


def ingest(
    file: Path,
    database: Path,
    text: Sequence[str],
    *,
    label: str | None = None,
    key: str | None = None,
    time: str | None = None,
    limit: int | None = None,
) -> IngestSummary:
    """Load a file into the tables tickets, labels and pairs.

    Parameters
    ----------
    file : Path
        CSV, Parquet or JSON Lines, told by its ending.
    database : Path
        DuckDB file; the old one stays until the new one is complete.
    text : sequence of str
        Text columns; several are joined by line breaks.
    label, key, time : str, optional
        Columns. Keys and times are made up where none is named.
    limit : int, optional
        Most rows.

    Raises
    ------
    EmbfeastError
        The file, a column or its type is wrong, or a key has two rows of one time.
    """
    scan = scan_file(file)
    half = database.with_name(f".{database.name}.tmp")
    database.parent.mkdir(parents=True, exist_ok=True)
    half.unlink(missing_ok=True)
    try:
        with closing(duckdb.connect(str(half))) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            types = columns_of(connection, scan, file)
            check_columns(types, file, text, label, key, time)
            summary = _load(connection, scan, types, text, label, key, time, limit)
            if not summary.rows:
                raise EmbfeastError(f"{file} has no rows")
        half.replace(database)
    except duckdb.Error as error:
        raise EmbfeastError(cannot_read(file, error)) from error
    finally:
        half.unlink(missing_ok=True)
        half.with_name(half.name + ".wal").unlink(missing_ok=True)
    return summary


def _load(
    connection: duckdb.DuckDBPyConnection,
    scan: str,
    types: dict[str, str],
    text: Sequence[str],
    label: str | None,
    key: str | None,
    time: str | None,
    limit: int | None,
) -> IngestSummary:
    notes: list[str] = []
    body = quote(text[0])
    if len(text) > 1:
        body = f"nullif(concat_ws(chr(10), {', '.join(map(quote, text))}), '')"
    connection.execute(
        "CREATE TABLE given AS SELECT row_number() OVER () AS number, "
        f"{body} AS body, {_key(key, types, notes)} AS ticket_id, {_time(time, types, notes)} "
        f"AS event_timestamp, {f'CAST({quote(label)} AS VARCHAR)' if label else 'NULL'} AS label, "
        f"{f'CAST({quote(key)} AS VARCHAR)' if key else 'NULL'} AS source_key "
        f"FROM {scan} {f'LIMIT {int(limit)}' if limit else ''}"
    )
    if key and not _is_integer(types[key]):
        # Equal keys are revisions of one ticket: they share a number.
        connection.execute("UPDATE given SET ticket_id = hash(source_key)::UBIGINT >> 1")
    if time is None:
        _make_up_times(connection, notes)
    _refuse(connection, key, time)
    connection.execute(
        "CREATE TABLE tickets AS SELECT CAST(ticket_id AS BIGINT) AS ticket_id, "
        "NULL::BIGINT AS customer_id, NULL::VARCHAR AS subject, body, NULL::VARCHAR AS product, "
        "NULL::VARCHAR AS channel, event_timestamp, event_timestamp AS created_timestamp, "
        "source_key FROM given"
    )
    connection.execute(
        "CREATE TABLE labels AS SELECT CAST(ticket_id AS BIGINT) AS ticket_id, "
        "NULL::BIGINT AS customer_id, event_timestamp AS label_timestamp, label AS category, "
        "NULL::VARCHAR AS urgency, NULL::DOUBLE AS hours_to_resolve, NULL::BIGINT AS duplicate_of "
        "FROM given WHERE label IS NOT NULL"
    )
    connection.execute(
        "CREATE TABLE pairs (ticket_id BIGINT, other_ticket_id BIGINT, is_duplicate BOOLEAN, "
        "label_timestamp TIMESTAMPTZ)"
    )
    rows, missing = connection.execute(
        "SELECT count(*), count(*) FILTER (body IS NULL OR trim(body) = '') FROM given"
    ).fetchone()
    connection.execute("DROP TABLE given")
    return IngestSummary(rows, missing, notes)


def _is_integer(kind: str) -> bool:
    return kind.removeprefix("U").endswith("INT") or kind == "INTEGER" or kind == "UINTEGER"


def _key(key: str | None, types: dict[str, str], notes: list[str]) -> str:
    if key is None:
        notes.append("No key was named: rows are numbered.")
        return "row_number() OVER ()"
    if not _is_integer(types[key]):
        notes.append(
            f"Key {key!r} is {types[key]}: ticket numbers are made from it, it stays in source_key."
        )
        return "0::UBIGINT"
    return quote(key)


def _time(time: str | None, types: dict[str, str], notes: list[str]) -> str:
    if time is None:
        return "NULL::TIMESTAMPTZ"
    if "TIME ZONE" not in types[time]:
        notes.append(f"Times in {time!r} have no zone: taken as UTC.")
    return f"CAST({quote(time)} AS TIMESTAMPTZ)"


def _make_up_times(connection: duckdb.DuckDBPyConnection, notes: list[str]) -> None:
    """Give each row a minute of its own, in a fixed mixed order: files are often sorted."""
    notes.append("No time was named: rows get one minute each, mixed, ending 2026-06-30.")
    connection.execute(
        "UPDATE given SET event_timestamp = t.moment FROM (SELECT number, "
        f"{LAST} - to_minutes(CAST(row_number() OVER (ORDER BY hash(number), number) AS BIGINT)) "
        "AS moment FROM given) t WHERE given.number = t.number"
    )


def _refuse(connection: duckdb.DuckDBPyConnection, key: str | None, time: str | None) -> None:
    for column, name in (("event_timestamp", time), ("ticket_id", key)):
        nulls = connection.execute(f"SELECT count(*) FROM given WHERE {column} IS NULL").fetchone()[
            0
        ]
        if nulls:
            raise EmbfeastError(f"column {name!r}: {nulls:,} rows have none; fill or remove them")
    twice = connection.execute(
        "SELECT coalesce(any_value(source_key), '?'), event_timestamp, count(*) FROM given "
        "GROUP BY ticket_id, event_timestamp HAVING count(*) > 1 ORDER BY 2 LIMIT 1"
    ).fetchone()
    if twice:
        raise EmbfeastError(
            f"key {twice[0]} has {twice[2]} rows at one time ({twice[1]}); keep one of them, or "
            "name a column that tells revisions apart with --time"
        )


def main(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON Lines.")],
    text: Annotated[list[str], typer.Option(help="Text column; may be given several times.")],
    label: Annotated[str | None, typer.Option(help="Label column.")] = None,
    key: Annotated[str | None, typer.Option(help="Key column.")] = None,
    time: Annotated[str | None, typer.Option(help="Event time column.")] = None,
    rows: Annotated[int | None, typer.Option(help="Load at most so many rows.")] = None,
    database: Annotated[Path, typer.Option(help="DuckDB file to write.")] = Path(
        "feature_repo/data/tickets.duckdb"
    ),
) -> None:
    """Load a file of texts into the sample feature repository's database."""
    with console.status("loading"):
        summary = ingest(file, database, text, label=label, key=key, time=time, limit=rows)
    console.print(f"{summary} into {database}", highlight=False)
    for note in summary.notes:
        console.print(note, highlight=False)


if __name__ == "__main__":
    run(main)
