"""Opening DuckDB: in memory for joins, read-only for text databases."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import duckdb

from embfeast.errors import EmbfeastError


def quote(identifier: str) -> str:
    """Quote a name for SQL.

    Examples
    --------
    >>> quote('the "best" column')
    '"the ""best"" column"'
    """
    if "\x00" in identifier:
        raise EmbfeastError(f"name {identifier!r} holds a NUL character, which no database takes")
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a string for SQL, where a value cannot be bound.

    Examples
    --------
    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def connect_memory() -> duckdb.DuckDBPyConnection:
    """Return a new in-memory connection that takes times as UTC.

    Temporary tables are its own; close it when done.
    """
    connection = _memory(os.getpid()).cursor()
    _set_up(connection)
    return connection


@cache  # never dropped: closing the parent's in a child waits for its threads
def _memory(process: int) -> duckdb.DuckDBPyConnection:
    """Open one database a process: its threads do not survive a fork, and starting them costs."""
    return duckdb.connect(":memory:")


@contextmanager
def open_text_database(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB database file read-only.

    Parameters
    ----------
    path : Path

    Raises
    ------
    EmbfeastError
        The file is missing, is no DuckDB database, or a writer holds it.
    """
    if not path.is_file():
        raise EmbfeastError(
            f"text database {path} does not exist; a relative path starts at the feature repository"
        )
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise EmbfeastError(_why_not(path, str(error))) from error
    try:
        _set_up(connection)
        yield connection
    finally:
        connection.close()


def keep_inside(connection: duckdb.DuckDBPyConnection) -> None:
    """Let a query of somebody else's reach the opened database alone: no file, no extension."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _set_up(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    # In a notebook without ipywidgets DuckDB has no bar, and refuses to hear of one.
    with suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")


def _why_not(path: Path, said: str) -> str:
    first = said.splitlines()[0]
    if "lock" in said.lower() or "different configuration" in said:
        return (
            f"text database {path} is open for writing elsewhere, which keeps every reader out; "
            f"close the writer and try again ({first})"
        )
    if "not a valid DuckDB database" in said:
        return f"{path} is not a DuckDB database; load your file into one first ({first})"
    return f"text database {path} cannot be opened: {first}"
