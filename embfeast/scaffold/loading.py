"""CSV, Parquet and JSON Lines files, read by DuckDB."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import pandas as pd

from embfeast.errors import EmbfeastError, did_you_mean
from embfeast.scaffold.delimited import Layout, cannot_read, scan_csv
from embfeast.scaffold.encodings import as_utf8
from embfeast.scaffold.names import shown
from embfeast.storage import is_local, open_to_read, refused
from embfeast.texts.database import literal, quote

READERS = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".parquet": "read_parquet",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
    ".json": "read_json",
}
# Texts may be packed.
READERS |= {f"{e}.gz": reader for e, reader in READERS.items() if reader != "read_parquet"}
# The column that a loaded table has besides the file's own.
ROW = "row_id"
PIECE = 1 << 20  # bytes that are copied at once


def load_file(file: Path, database: Path, table: str, layout: Layout | None = None) -> list[str]:
    """Load a file into a table of a new DuckDB database; return lines that say what was found out.

    The file's ending tells how it is read. Where it has no column ``row_id``, the table gets one:
    the row's number in the file, from 1. What is made on the way lies beside the database.
    """
    scan, notes = _scan(file, layout or Layout(), database.parent)
    with _reading(file, str(database)) as connection:
        named = {name.lower() for name in columns_of(connection, scan)}
        added = "" if ROW in named else f", row_number() OVER () AS {ROW}"
        connection.execute(f"CREATE TABLE {quote(table)} AS SELECT *{added} FROM {scan}")
    return notes


@contextmanager
def brought_here(file: str, folder: Path) -> Iterator[Path]:
    """Copy a file of object storage into a folder; what is said of the copy names the file."""
    if is_local(file):
        yield Path(file)
        return
    copy = folder / file.rsplit("/", 1)[-1]
    try:
        with open_to_read(file) as there, copy.open("wb") as here:
            shutil.copyfileobj(there, here, PIECE)
    except FileNotFoundError as error:
        raise EmbfeastError(f"{file} does not exist") from error
    except OSError as error:
        raise refused(f"{file} cannot be read", error) from error
    try:
        yield copy
    except EmbfeastError as error:
        found, mend = (said.replace(str(copy), file) for said in (error.found, error.mend))
        raise EmbfeastError(found, mend) from error
    finally:
        copy.unlink()


def labelled_texts(
    file: Path, text: str, label: str, time: str | None, group: str | None = None
) -> pd.DataFrame:
    """Return the columns text, label and, where they are named, time and group of a file."""
    scan = scan_file(file)
    named = {"text": text, "label": label, "time": time, "group": group}
    columns = {name: column for name, column in named.items() if column}
    wanted = ", ".join(f"{quote(column)} AS {name}" for name, column in columns.items())
    with _reading(file) as connection:
        check_columns(columns_of(connection, scan), file, [text], time, label, group)
        rows: pd.DataFrame = connection.sql(f"SELECT {wanted} FROM {scan}").df()
        return rows


@contextmanager
def _reading(file: Path, database: str = ":memory:") -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database that a file is read into; what DuckDB cannot read is said."""
    try:
        with closing(duckdb.connect(database)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
    except duckdb.Error as error:
        raise EmbfeastError(cannot_read(file, error)) from error


def scan_file(file: Path) -> str:
    """Return the SQL that reads a file, told by its ending; one of texts must be in UTF-8."""
    return _scan(file, Layout(encoding="utf-8"), file.parent)[0]


def _scan(file: Path, layout: Layout, folder: Path) -> tuple[str, list[str]]:
    """Return the SQL that reads a file, and lines that say what was found out."""
    if not file.is_file():
        raise EmbfeastError(f"{file} does not exist")
    ending = file_ending(file)
    if ending is None:
        raise EmbfeastError(f"{file}: unknown kind of file; give one of {', '.join(READERS)}")
    if file.stat().st_size == 0:
        raise EmbfeastError(f"{file} is empty")
    reader = READERS[ending]
    if reader != "read_csv" and {layout.delimiter, layout.header, layout.quotes} != {None}:
        raise EmbfeastError(f"{file} is no CSV, which --delimiter, --header and --quotes are for")
    if reader == "read_parquet":
        return f"{reader}({literal(str(file))})", []
    written, note = as_utf8(file, layout.encoding, folder)
    notes = [note] if note else []
    if reader == "read_csv":
        scan, more = scan_csv(written, layout, file)
        return scan, notes + more
    # All of it is looked at, since a type that later lines break would end in an error.
    return f"{reader}({literal(str(written))}, sample_size = -1)", notes


def file_ending(file: Path) -> str | None:
    """Return the ending that tells how a file is read, or None.

    Examples
    --------
    >>> file_ending(Path("Reviews.CSV")), file_ending(Path("reviews.xlsx"))
    ('.csv', None)
    """
    name = file.name.lower()
    return next((ending for ending in READERS if name.endswith(ending)), None)


def columns_of(connection: duckdb.DuckDBPyConnection, scan: str) -> dict[str, str]:
    """Return the columns of a file with their types."""
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE FROM {scan}").fetchall()}


def check_columns(
    types: dict[str, str], file: Path, text: Sequence[str], time: str | None, *others: str | None
) -> None:
    """Raise EmbfeastError where a column is missing, or a text column holds no text."""
    if not text:
        raise EmbfeastError("name at least one text column with --text")
    for column in [*text, *others, time]:
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
    hint = did_you_mean(column, known)
    return f"{where} has no column {column!r}{hint}; it has {', '.join(map(shown, known))}"
