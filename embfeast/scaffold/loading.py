"""CSV, Parquet and JSON Lines files, read by DuckDB."""

import difflib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import duckdb

from embfeast.errors import EmbfeastError
from embfeast.plugin.database import literal, quote

READERS = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".csv.gz": "read_csv",
    ".parquet": "read_parquet",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
    ".json": "read_json",
}
# The column that a loaded table has besides the file's own.
ROW = "row_id"


def load_file(file: Path, database: Path, table: str) -> None:
    """Load a file into a new DuckDB database.

    Parameters
    ----------
    file : Path
        CSV, Parquet or JSON Lines, told by its ending.
    database : Path
        Must not exist.
    table : str
        Gets the file's columns and, where the file has none of that name, ``row_id``: the row's
        number in the file, from 1.

    Raises
    ------
    EmbfeastError
        The file is missing, empty, of an unknown kind, or cannot be read.
    """
    scan = scan_file(file)
    try:
        with closing(duckdb.connect(str(database))) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            named = {name.lower() for name in columns_of(connection, scan, file)}
            added = "" if ROW in named else f", row_number() OVER () AS {ROW}"
            connection.execute(
                f"CREATE TABLE {quote(table)} AS SELECT *{added} FROM {scan}"  # noqa: S608
            )
    except duckdb.Error as error:
        raise EmbfeastError(cannot_read(file, error)) from error


def scan_file(file: Path) -> str:
    """Return the SQL that reads a file, told by its ending.

    Raises
    ------
    EmbfeastError
        It is missing or of an unknown kind.
    """
    if not file.is_file():
        raise EmbfeastError(f"{file} does not exist")
    ending = file_ending(file)
    if ending is None:
        raise EmbfeastError(f"{file}: unknown kind of file; give one of {', '.join(READERS)}")
    return f"{READERS[ending]}({literal(str(file))})"


def file_ending(file: Path) -> str | None:
    """Return the ending that tells how a file is read, or None.

    Examples
    --------
    >>> file_ending(Path("Reviews.CSV")), file_ending(Path("reviews.xlsx"))
    ('.csv', None)
    """
    name = file.name.lower()
    return next((ending for ending in READERS if name.endswith(ending)), None)


def columns_of(connection: duckdb.DuckDBPyConnection, scan: str, file: Path) -> dict[str, str]:
    """Return the columns of a file with their types.

    Raises
    ------
    EmbfeastError
        The file is empty.
    """
    if file.stat().st_size == 0:
        raise EmbfeastError(f"{file} is empty")
    found = connection.execute(f"DESCRIBE FROM {scan}").fetchall()
    return {row[0]: row[1] for row in found}


def check_columns(
    types: dict[str, str],
    file: Path,
    text: Sequence[str],
    label: str | None,
    key: str | None,
    time: str | None,
) -> None:
    """Raise EmbfeastError where a column is missing, or a text column holds no text."""
    if not text:
        raise EmbfeastError("name at least one text column with --text")
    for column in [*text, label, key, time]:
        if column is not None and column not in types:
            raise EmbfeastError(no_column(str(file), column, list(types)))
    for column in text:
        if types[column] != "VARCHAR":
            raise EmbfeastError(f"{file}: column {column!r} is {types[column]}, not text")
    if time and not types[time].startswith(("TIMESTAMP", "DATE")):
        raise EmbfeastError(
            f"{file}: column {time!r} is {types[time]}, not a time; write times as "
            "2026-05-31T12:00:00Z"
        )


def no_column(where: str, column: str, known: Sequence[str]) -> str:
    """Say that a column is missing, which one was perhaps meant, and which there are.

    Examples
    --------
    >>> no_column("reviews", "bodi", ["id", "body"])
    "reviews has no column 'bodi' (did you mean 'body'?); it has id, body"
    """
    close = difflib.get_close_matches(column, known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{where} has no column {column!r}{hint}; it has {', '.join(known)}"


def cannot_read(file: Path, error: duckdb.Error) -> str:
    """Say in one line why DuckDB cannot read a file."""
    return f"{file} cannot be read: {' '.join(str(error).split())[:300]}"
