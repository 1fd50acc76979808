"""Opening DuckDB: in memory for joins, read-only for text databases."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Lock, local
from typing import Any

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from embfeast.errors import EmbfeastError, first_line
from embfeast.storage import Folder, open_to_read


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


def cursor_of(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return a second connection to an opened database, for queries while rows are read."""
    cursor = connection.cursor()
    _set_up(cursor)
    return cursor


@contextmanager
def open_text_database(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB database file, or a folder of Parquet files, read-only.

    In a folder, ``tickets.parquet`` and all Parquet files below ``tickets/`` are a table
    ``tickets``. Files may be added while it is read.
    """
    if not path.exists():
        raise EmbfeastError(
            f"text database {path} does not exist",
            "a relative path starts at the feature repository",
        )
    try:
        connection = _open_folder(path) if path.is_dir() else _open_file(path)
    except duckdb.Error as error:
        raise _why_not(path, str(error)) from error
    try:
        _set_up(connection)
        yield connection
    finally:
        connection.close()


def _open_file(path: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(path), read_only=True)


def _open_folder(path: Path) -> duckdb.DuckDBPyConnection:
    folder = path.resolve()
    files = [file for file in sorted(folder.glob("*.parquet")) if file.is_file()]
    tables = {file.stem: literal(str(file)) for file in files}
    for below in sorted(folder.iterdir()):
        if below.is_dir() and next(below.rglob("*.parquet"), None):
            tables[below.name] = _files_below(below)
    if not tables:
        raise EmbfeastError(f"text database {path} is a folder without Parquet files")
    connection = duckdb.connect(":memory:")
    try:
        connection.execute(f"SET allowed_directories = [{literal(str(folder))}]")
        for name, listed in tables.items():
            connection.execute(
                f"CREATE VIEW {quote(name)} AS FROM read_parquet({listed}, union_by_name = true)"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _files_below(folder: Path) -> str:
    """Return the Parquet files of a folder, for SQL; of a Delta table those of its newest version.

    Raises
    ------
    EmbfeastError
        It is a Delta table that cannot be read by its files alone.
    """
    if not (folder / "_delta_log").is_dir():
        return literal(str(folder / "**" / "*.parquet"))
    try:
        table = DeltaTable(folder)
    except DeltaError as error:
        raise EmbfeastError(f"Delta table {folder} cannot be read: {error}") from error
    beyond = set(table.protocol().reader_features or []) - {"timestampNtz"}
    if beyond or not (files := table.file_uris()):
        why = f"it uses {', '.join(sorted(beyond))}" if beyond else "it has no rows"
        raise EmbfeastError(
            f"Delta table {folder} cannot be read: {why}", "write it again as plain Parquet files"
        )
    return f"[{', '.join(map(literal, files))}]"


class _SharedFile:
    """A file that several threads of DuckDB read at once: each of them has its own place in it."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._one_reads, self._thread = stream, Lock(), local()

    def seek(self, place: int) -> int:
        self._thread.place = place
        return place

    def tell(self) -> int:
        return getattr(self._thread, "place", 0)

    def read(self, size: int = -1) -> bytes:
        with self._one_reads:
            self._stream.seek(self.tell())
            content: bytes = self._stream.read(size)
        self.seek(self.tell() + len(content))
        return content

    def close(self) -> None:
        self._stream.close()


def let_read(connection: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    """Let DuckDB read the files of a folder, wherever it lies."""
    if folder.is_local:
        return
    from fsspec import AbstractFileSystem

    scheme = folder.uri.split("://", 1)[0]

    class Storage(AbstractFileSystem):
        """What DuckDB asks of object storage: it opens files by name, and none ever changes."""

        protocol = scheme

        def glob(self, path: str, **_: Any) -> list[str]:
            return [path.removeprefix(f"{scheme}://")]

        def info(self, path: str, **_: Any) -> dict[str, Any]:
            with open_to_read(f"{scheme}://{self._strip_protocol(path)}") as file:
                return {"name": path, "size": file.size(), "type": "file"}

        def modified(self, path: str) -> datetime:
            return datetime.fromtimestamp(0, UTC)

        def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
            return _SharedFile(open_to_read(f"{scheme}://{self._strip_protocol(path)}"))

    if not connection.filesystem_is_registered(scheme):
        connection.register_filesystem(Storage())


def keep_inside(connection: duckdb.DuckDBPyConnection) -> None:
    """Let a query of somebody else's reach the opened database alone: no file, no extension."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _set_up(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    # In a notebook without ipywidgets DuckDB has no bar, and refuses to hear of one.
    with suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")


def _why_not(path: Path, said: str) -> EmbfeastError:
    first = first_line(said)
    if "lock" in said.lower() or "different configuration" in said:
        return EmbfeastError(
            f"text database {path} is open for writing elsewhere, which keeps every reader out",
            f"close the writer and try again ({first})",
        )
    if "not a valid DuckDB database" in said:
        found = f"{path} is not a DuckDB database"
        return EmbfeastError(found, f"load your file into one first ({first})")
    return EmbfeastError(f"text database {path} cannot be opened: {first}")
