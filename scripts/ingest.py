"""Load your own file: `python scripts/ingest.py reviews.csv --text body --label stars`.

CSV, Parquet and JSON Lines of any size go through DuckDB's readers into the tables that the sample
feature repository reads.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from console import console, new_sample_database, run
from embfeast import EmbfeastError
from embfeast.scaffold.loading import cannot_read, check_columns, columns_of, scan_file
from embfeast.texts.database import quote

LAST = "TIMESTAMPTZ '2026-06-30 00:00:00+00'"
FILL = """
    INSERT INTO tickets BY NAME
        SELECT ticket_id, body, event_timestamp, event_timestamp AS created_timestamp, source_key,
               label AS filed_as, event_timestamp AS filed_at
        FROM given;
    INSERT INTO labels BY NAME
        SELECT ticket_id, event_timestamp AS label_timestamp, label AS category
        FROM given WHERE label IS NOT NULL;
"""


def ingest(
    file: Path,
    database: Path,
    text: Sequence[str],
    *,
    label: str | None = None,
    key: str | None = None,
    time: str | None = None,
    limit: int | None = None,
) -> list[str]:
    """Load at most `limit` rows of a file into the tables tickets, labels and pairs.

    Several text columns are joined by line breaks; keys and times are made up where none is named.
    The old database stays until the new one is complete. Returns what to say: how much was loaded,
    and what was made up or taken for granted, a sentence each.
    """
    scan = scan_file(file)
    try:
        with new_sample_database(database) as connection:
            types = columns_of(connection, scan)
            check_columns(types, file, text, time, label, key)
            connection.execute(_given(scan, types, text, label, key, time, limit))
            _refuse(connection, file, key, time)
            connection.execute("ALTER TABLE tickets ADD COLUMN source_key VARCHAR")
            connection.execute(FILL)
            rows, missing = connection.execute(
                "SELECT count(*), count(*) FILTER (body IS NULL OR trim(body) = '') FROM given"
            ).fetchone()
    except duckdb.Error as error:
        raise EmbfeastError(cannot_read(file, error)) from error
    loaded = f"{rows:,} rows loaded, {missing:,} without a text"
    return [loaded, *_made_up(types, key, time)]


def _given(
    scan: str, types: dict[str, str], text: Sequence[str], label: str | None, key: str | None,
    time: str | None, limit: int | None,
) -> str:  # fmt: skip
    """Return the SQL of a table of the file's rows, with the sample's names and types."""
    body, as_text = ", ".join(map(quote, text)), "CAST({} AS VARCHAR)"
    number = quote(key) if key else "embfeast_row"
    if key and not _is_integer(types[key]):  # equal keys are revisions of one ticket
        number = f"hash({as_text.format(quote(key))})::UBIGINT >> 1"
    # Without times each row has its own minute, in a fixed mixed order: files are often sorted.
    mixed = "CAST(row_number() OVER (ORDER BY hash(embfeast_row), embfeast_row) AS BIGINT)"
    return f"""
        CREATE TEMP TABLE given AS SELECT
            {f"nullif(concat_ws(chr(10), {body}), '')" if len(text) > 1 else body} AS body,
            CAST({number} AS BIGINT) AS ticket_id,
            {f"CAST({quote(time)} AS TIMESTAMPTZ)" if time else f"{LAST} - to_minutes({mixed})"}
                AS event_timestamp,
            {as_text.format(quote(label) if label else "NULL")} AS label,
            {as_text.format(quote(key) if key else "NULL")} AS source_key
        FROM (
            SELECT *, row_number() OVER () AS embfeast_row
            FROM {scan} {f"LIMIT {int(limit)}" if limit else ""}
        )
        ORDER BY embfeast_row
    """


def _is_integer(kind: str) -> bool:
    return kind.endswith(("INT", "INTEGER"))


def _made_up(types: dict[str, str], key: str | None, time: str | None) -> list[str]:
    notes = []
    if key is None:
        notes.append("No key was named: rows are numbered.")
    elif not _is_integer(types[key]):
        made = "ticket numbers are made from it, it stays in source_key."
        notes.append(f"Key {key!r} is {types[key]}: {made}")
    if time is None:
        notes.append("No time was named: rows get one minute each, mixed, ending 2026-06-30.")
    elif "TIME ZONE" not in types[time]:
        notes.append(f"Times in {time!r} have no zone: taken as UTC.")
    return notes


def _refuse(
    connection: duckdb.DuckDBPyConnection, file: Path, key: str | None, time: str | None
) -> None:
    rows, with_time, with_key = connection.execute(
        "SELECT count(*), count(event_timestamp), count(source_key) FROM given"
    ).fetchone()
    if not rows:
        raise EmbfeastError(f"{file} has no rows")
    for name, present in ((time, with_time), (key, with_key)):
        if name and present < rows:
            lacking = rows - present
            raise EmbfeastError(f"column {name!r}: {lacking:,} rows have none; fill or remove them")
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
        loaded, *notes = ingest(file, database, text, label=label, key=key, time=time, limit=rows)
    for line in [f"{loaded} into {database}", *notes]:
        console.print(line, highlight=False)


if __name__ == "__main__":
    run(main)
