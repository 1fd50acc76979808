"""Opening DuckDB: in memory for joins, read-only for text databases."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Lock, local
from typing import Any

import duckdb

from embfeast.errors import EmbfeastError, first_line
from embfeast.storage import Folder, entries, files_below, open_to_read, refused
from embfeast.texts.delta import LOG, open_delta

OF_STORAGE = re.compile(r"Generic \w+ error|Object at location|File too short")


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


def relation(table: str | None, query: str | None) -> str:
    r"""Return what stands after FROM; a table's name may begin with its schema, and its catalog.

    Examples
    --------
    >>> relation("main.reviews", None), relation(None, "SELECT 1 AS id -- one;")
    ('"main"."reviews"', '(SELECT 1 AS id -- one;\n)')
    >>> relation(None, 'SELECT "列" FROM r; -- 列;')
    '(SELECT "列" FROM r\n)'
    """
    if table:
        return ".".join(map(quote, table.split(".")))
    # On a line of its own: the query may end in a comment, also behind its semicolons.
    code = (query or "").encode()  # DuckDB counts places in bytes
    for start, kind in reversed(duckdb.tokenize(query or "")):
        if code[start : start + 1] == b";":
            code = code[:start]
        elif kind is not duckdb.token_type.comment:
            break
    return f"({code.decode().strip()}\n)"


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
def open_text_database(
    place: Folder | Path, sql: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB database file, or a folder of tables here or on object storage, read-only.

    In a folder, ``tickets.parquet``, all Parquet files below ``tickets/``, or a Delta table there
    are a table ``tickets``. Files may be added while it is read.

    Parameters
    ----------
    place : Folder or Path
    sql : str, optional
        What will be asked: of a folder, only the tables that it names are opened.
    """
    folder = Folder.of(place)
    if folder.is_local and not folder.path.exists():
        raise EmbfeastError(
            f"text database {folder} does not exist",
            "a relative path starts at the feature repository",
        )
    try:
        if folder.is_local and not folder.path.is_dir():
            connection = duckdb.connect(folder.uri, read_only=True)
        else:
            connection = _open_folder(folder, sql)
    except (duckdb.Error, OSError) as error:
        raise _why_not_open(folder, error) from error
    try:
        _set_up(connection)
        yield connection
    except duckdb.Error as error:
        if not OF_STORAGE.search(str(error)):
            raise
        raise why_not(f"text database {folder}", error) from error
    finally:
        connection.close()


def _open_folder(given: Folder, sql: str | None) -> duckdb.DuckDBPyConnection:
    folder = given.resolve()
    tables = _tables_of(folder)
    # A table that is asked for and not there is for others to name, who then see all that are.
    asked = [name for name in tables if sql and quote(name)[1:-1].lower() in sql.lower()]
    connection = duckdb.connect(":memory:")
    try:
        let_read(connection, folder)
        connection.execute(f"SET allowed_directories = [{literal(folder.file(''))}]")
        if not folder.is_local:  # rows are read once, and memory is for other things
            connection.execute("SET enable_external_file_cache = false")
        made = [_make_table(connection, name, tables[name]) for name in asked or tables]
        if not any(made):
            mend = "" if given.is_local else "name the folder above the table's file or folder"
            found = f"text database {given} is a folder without Parquet files"
            raise EmbfeastError(found, mend)
    except BaseException:
        connection.close()
        raise
    return connection


def _tables_of(folder: Folder) -> dict[str, Folder | str]:
    """Return where the tables of a folder are: a file, or a folder that may be none."""
    found = entries(folder)
    if LOG in found:
        raise EmbfeastError(
            f"text database {folder} is itself a Delta table",
            f"give the folder above it as database, and {folder.name!r} as table",
        )
    tables: dict[str, Folder | str] = {
        name.removesuffix(".parquet"): folder.file(name)
        for name, is_folder in found.items()
        if name.endswith(".parquet") and not is_folder
    }
    return tables | {name: folder.below(name) for name, is_folder in found.items() if is_folder}


def _make_table(connection: duckdb.DuckDBPyConnection, name: str, place: Folder | str) -> bool:
    """Let a table be read under its name; tell whether there is one."""
    if isinstance(place, Folder) and LOG in entries(place):
        connection.register(name, open_delta(place))
        return True
    if not (files := _parquet_of(place)):
        return False
    rows = f"read_parquet({files}, union_by_name = true)"
    connection.execute(f"CREATE VIEW {quote(name)} AS FROM {rows}")
    return True


def _parquet_of(place: Folder | str) -> str:
    """Return a table's Parquet files, for SQL, or nothing where there are none."""
    if isinstance(place, str):
        return literal(place)
    if place.is_local:
        found = next(place.path.rglob("*.parquet"), None)
        return literal(place.file("**/*.parquet")) if found else ""
    files = [literal(file) for file in files_below(place) if file.endswith(".parquet")]
    return f"[{', '.join(files)}]" if files else ""


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


def why_not(what: str, error: Exception) -> EmbfeastError:
    """Return the one clear error for what DuckDB said, or storage that it reads."""
    told = str(error)
    if gone := re.search(r"Object at location (.*?) not found", told):
        return EmbfeastError(f"{what}: {gone[1]} is gone", "run it again if it was replaced")
    if "File too short" in told:
        found = f"{what}: a file is shorter than its table's log says"
        return EmbfeastError(found, "bring it back from a backup, or write the table again")
    return (
        refused(what, error)
        if OF_STORAGE.search(told)
        else EmbfeastError(f"{what}: {first_line(error)}")
    )


def _why_not_open(place: Folder, error: Exception) -> EmbfeastError:
    said = str(error)
    first = first_line(said)
    if "lock on file" in said or "different configuration" in said:
        return EmbfeastError(
            f"text database {place} is open for writing elsewhere, which keeps every reader out",
            f"close the writer and try again ({first})",
        )
    if "not a valid DuckDB database" in said:
        found = f"{place} is not a DuckDB database"
        return EmbfeastError(found, f"load your file into one first ({first})")
    return why_not(f"text database {place} cannot be opened", error)
