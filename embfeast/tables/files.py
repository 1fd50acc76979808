"""Parquet files as feature tables need them: how floats are packed, and how rows are grouped."""

import contextlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction
from filelock import FileLock

from embfeast.errors import EmbfeastError, first_line
from embfeast.storage import Folder, meaning, open_to_read, open_to_write, remove_file, rename_file
from embfeast.tables.columns import MOMENT
from embfeast.tables.place import READ_ERRORS, Place
from embfeast.texts.database import connect_memory, literal, quote

# Wide rows: a row group of this many rows of 384 floats is about 12 MB.
ROW_GROUP = 8_192
# How names of our files begin, then the time: later ones come later in the order of names. Files of
# others, and of the earlier layout, may lack columns.
NAMED = "rows-"


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a table; written, and not yet part of it.

    Attributes
    ----------
    place : Place
        Of the table.
    name : str
    rows, size : int
        Its rows, and its bytes.
    first, last : dict from a time column to its first and last time, as ISO 8601
    """

    place: Place
    name: str
    rows: int
    size: int
    first: dict[str, str]
    last: dict[str, str]

    @property
    def path(self) -> str:
        """Where it lies."""
        return self.place.file(self.name)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read it back."""
        chosen = None if columns is None else list(columns)
        return pq.ParquetFile(open_to_read(self.path)).read(chosen)

    def add(self, *, data_change: bool = True) -> AddAction:
        """Return the action that makes it part of the table."""
        stats = {"numRecords": self.rows, "minValues": self.first, "maxValues": self.last}
        now = int(time.time() * 1000)
        return AddAction(self.name, self.size, {}, now, data_change, json.dumps(stats))


def write_file(place: Place, tables: pa.Table | Iterable[pa.Table], name: str = "") -> DataFile:
    """Write rows as one file of a table, which readers do not see before it is committed.

    Parameters
    ----------
    place : Place
    tables : pyarrow.Table or iterable of them
        Of one schema; each of an iterable's becomes row groups of its own.
    name : str, optional

    Raises
    ------
    EmbfeastError
        The disk is full or the folder cannot be written; the table is as before.
    """
    name = name or file_name(time.time_ns())
    path = place.file(name)
    counted = _Counted([tables.combine_chunks()] if isinstance(tables, pa.Table) else tables)
    try:
        if place.is_local:
            place.path.mkdir(parents=True, exist_ok=True)
        with open_to_write(path) as stream:
            write_rows(stream, counted)
            size = stream.tell()
            _sync(stream)
    except READ_ERRORS as error:
        _forget(path)
        raise cannot_write(place, error) from error
    except BaseException:
        _forget(path)
        raise
    return DataFile(place, name, counted.rows, size, counted.first, counted.last)


def file_name(written: int) -> str:
    """Return a new name for a file whose rows were written by then, in nanoseconds since 1970."""
    return f"{NAMED}{written:x}-{uuid.uuid4().hex[:12]}.parquet"


def written_at(file: str) -> int:
    """Return when the rows of a file had been written, by its name; 0 where it does not say."""
    found = re.search(rf"{NAMED}([0-9a-f]+)-[0-9a-f]{{12}}\.parquet$", file)
    return int(found[1], 16) if found else 0


def cannot_write(place: Place, error: Exception) -> EmbfeastError:
    """Return the error that says why a table cannot be written."""
    if not place.is_local and (meant := meaning(place.uri, str(error))):
        return EmbfeastError(
            f"feature table {place} cannot be written: {meant[0]}",
            f"{meant[1]}, then run again: what it holds is unharmed",
        )
    why = (isinstance(error, OSError) and error.strerror) or first_line(error)
    return EmbfeastError(
        f"feature table {place} cannot be written: {why}",
        "what it holds is unharmed, run again when there is room and permission",
    )


def _forget(path: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it; it goes with the next clean-up
        remove_file(path)


def _sync(stream: IO[bytes]) -> None:
    """Make a local file survive a power cut."""
    if not isinstance(stream, pa.NativeFile):
        stream.flush()
        os.fsync(stream.fileno())


class _Counted:
    """Tables on their way into a file, with what the log says of it."""

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        self._tables = tables
        self.rows = 0
        self.first: dict[str, str] = {}
        self.last: dict[str, str] = {}

    def __iter__(self) -> Any:
        for table in self._tables:
            self.rows += table.num_rows
            for field in table.schema:
                if field.type == MOMENT and table.num_rows:
                    self._see(field.name, pc.min_max(table[field.name]).as_py())
            yield table

    def _see(self, name: str, found: dict[str, Any]) -> None:
        if found["min"] is None:
            return
        first, last = (found[end].strftime("%Y-%m-%dT%H:%M:%S.%fZ") for end in ("min", "max"))
        self.first[name] = min(first, self.first.get(name, first))
        self.last[name] = max(last, self.last.get(name, last))


def write_rows(stream: IO[bytes], tables: Iterable[pa.Table]) -> None:
    """Write tables of one schema as a Parquet file, each as row groups of its own.

    Floats hardly repeat: their bytes are split by place, which packs better and faster than a
    dictionary of them.
    """
    writer = None
    try:
        for table in tables:
            writer = writer or pq.ParquetWriter(stream, table.schema, **_encoding(table.schema))
            writer.write_table(table, row_group_size=ROW_GROUP)
    finally:
        if writer is not None:
            writer.close()


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    floats = [_leaf(field) for field in schema if _is_float(field.type)]
    others = [_leaf(field) for field in schema if not _is_float(field.type)]
    return {
        "compression": "zstd",
        "use_dictionary": others,
        "column_encoding": dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
    }


def _is_float(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind.value_type if pa.types.is_list(kind) else kind))


def _leaf(field: pa.Field) -> str:
    """Return a column's name inside Parquet, where a list's numbers are two levels down."""
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else str(field.name)


def is_readable(file: str) -> bool:
    """Tell whether every row group of a file can be read."""
    try:
        with pq.ParquetFile(open_to_read(file)) as opened:
            for group in range(opened.num_row_groups):
                opened.read_row_group(group)
    except READ_ERRORS:
        return False
    return True


def has_footer(file: str) -> bool:
    """Tell whether a file has its end, which one that was cut short has not."""
    try:
        pq.read_metadata(open_to_read(file))
    except READ_ERRORS:
        return False
    return True


def scan_files(files: Sequence[str], *, row_ids: bool = False, uneven: bool = False) -> str:
    """Return the expression with which DuckDB reads Parquet files.

    With `row_ids` it has the columns ``filename`` and ``file_row_number`` too; with `uneven` some
    files may lack columns.
    """
    # Files are listed one by one: a pattern would trip over brackets in a folder's name.
    listed = ", ".join(map(literal, files))
    ids = ", filename = true, file_row_number = true" if row_ids else ""
    return f"read_parquet([{listed}]{ids}{', union_by_name = true' if uneven else ''})"


def parquet_folder(folder: Folder | Path) -> list[str]:
    """Return the Parquet files of a plain folder, in the order of their names."""
    folder = Folder.of(folder)
    names = (name for name in folder.names() if name.endswith(".parquet"))
    return [folder.file(name) for name in names if name[0] not in "._"]


def rows_not_in(files: Sequence[str], rows: pa.Table, identity: Sequence[str]) -> pa.Table:
    """Return the rows whose identity no row of plain Parquet files has."""
    number = "embfeast_wanted"
    wanted = rows.select(list(identity)).append_column(number, pa.array(range(rows.num_rows)))
    same = " AND ".join(f"s.{quote(n)} IS NOT DISTINCT FROM w.{quote(n)}" for n in identity)
    connection = connect_memory()
    try:
        connection.register("wanted", wanted)
        lacking = connection.sql(
            f"SELECT {number} FROM wanted w ANTI JOIN {scan_files(files)} s ON {same} ORDER BY 1"
        ).to_arrow_table()
        return rows.take(lacking[number])
    except READ_ERRORS as error:
        raise EmbfeastError(f"{files[0]} cannot be read: {first_line(error)}") from error
    finally:
        connection.close()


def write_to_folder(
    folder: Folder | Path, tables: pa.Table | Iterable[pa.Table], name: str = ""
) -> str:
    """Write rows as one Parquet file of a plain folder, which readers see whole or not at all."""
    half = write_file(Place(str(folder)), tables, f".{uuid.uuid4().hex}.tmp")
    return rename_file(half.path, name or f"{half.name[1:-4]}.parquet")


def append_to_file(path: Path, rows: pa.Table, identity: Sequence[str]) -> None:
    """Write a plain Parquet file anew with the rows whose identity it has not got.

    Readers see the old file or the new one; writers wait for each other. It costs as much as the
    file is large: rows that come often go into a folder.
    """
    with FileLock(path.with_name(f".{path.name}.lock")):
        if not (added := rows_not_in([str(path)], rows, identity)).num_rows:
            return
        with pq.ParquetFile(path) as old:
            kept = (
                pa.Table.from_batches([batch]).replace_schema_metadata()
                for batch in old.iter_batches(ROW_GROUP)
            )
            write_to_folder(path.parent, chain(kept, [added]), path.name)
