"""Parquet parts: a feature table is a folder of files that appear whole or not at all."""

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.plugin.database import connect_memory, literal, quote

EMPTY = "0-empty.parquet"
# Ending of the file that names the parts for which a joined part stands.
REPLACED = ".replaced"
TIME = "event_timestamp"
# Wide rows: a row group of this many rows of 384 floats is about 12 MB.
ROW_GROUP = 8_192


def ensure_table(folder: Path, schema: pa.Schema) -> bool:
    """Make a table's folder with one part of no rows, so that every reader finds its columns.

    Parameters
    ----------
    folder : Path
    schema : pyarrow.Schema

    Returns
    -------
    bool
        Whether it was made now.

    Raises
    ------
    EmbfeastError
        The table is there with other columns.
    """
    stored = table_schema(folder)
    if stored is None:
        write_part(folder, schema.empty_table(), EMPTY)
        return True
    if not stored.equals(schema):
        differing = sorted(set(schema).symmetric_difference(stored), key=lambda field: field.name)
        raise EmbfeastError(
            f"feature table {folder} has other columns than its view: "
            f"{', '.join(f'{f.name} {f.type}' for f in differing[:4]) or 'in another order'}; "
            "move the folder away, or undo the change of the view"
        )
    return False


def table_schema(folder: Path) -> pa.Schema | None:
    """Return the columns of a table, or None where there is none."""
    for part in parts(folder)[:1]:
        return _read_schema(part)
    return None


def parts(folder: Path) -> list[Path]:
    """Return a table's parts in the order of their names.

    Half-written ones are not among them, nor those that a joined part stands for.
    """
    if not folder.is_dir():
        return []
    found = set(os.listdir(folder))  # noqa: PTH208
    names = sorted(name for name in found if name.endswith(".parquet") and name[0] not in "._")
    listed = [name for name in names if replaced_list(folder / name).name in found]
    replaced = {old for name in listed for old in _replaced_by(folder / name)}
    return [folder / name for name in names if name not in replaced]


def replaced_list(part: Path) -> Path:
    """Return where the parts are named for which a joined part stands."""
    return part.with_name(f".{part.name}{REPLACED}")


def part_of_list(listed: Path) -> Path:
    """Return the joined part that a list belongs to."""
    return listed.with_name(listed.name[1 : -len(REPLACED)])


def _replaced_by(part: Path) -> list[str]:
    try:
        names: list[str] = json.loads(replaced_list(part).read_text(encoding="utf-8"))
    except FileNotFoundError:  # an ordinary part, or one whose predecessors are gone
        return []
    return names


def check_part(part: Path) -> None:
    """Read a part's footer, which a part that was cut short has not.

    Raises
    ------
    EmbfeastError
        It cannot be read.
    """
    _read_schema(part)


def is_readable(part: Path) -> bool:
    """Tell whether every row group of a part can be read."""
    try:
        with pq.ParquetFile(part) as opened:
            for group in range(opened.num_row_groups):
                opened.read_row_group(group)
    except (OSError, pa.ArrowException):
        return False
    return True


def write_part(folder: Path, table: pa.Table, name: str | None = None) -> Path:
    """Write rows as one part, which readers see whole or not at all.

    Parameters
    ----------
    folder : Path
        Of the table; made if it is not there.
    table : pyarrow.Table
        Any number of chunks.
    name : str, optional
        By default from the rows' content: the same rows written twice are one part.

    Returns
    -------
    Path

    Raises
    ------
    EmbfeastError
        The disk is full or the folder cannot be written; no part was added.
    """
    table = table.combine_chunks()
    path = folder / (name or f"{_content_hash(table)}.parquet")
    half = folder / f".{uuid.uuid4().hex}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with half.open("wb") as stream:
            write_rows(stream, [table])
            stream.flush()
            os.fsync(stream.fileno())
        half.replace(path)
        sync_folder(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            half.unlink()
        raise EmbfeastError(
            f"feature table {folder} cannot be written: {error.strerror or error}; what it holds "
            "is unharmed, run again when there is room and permission"
        ) from error
    return path


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


def scan_sql(folder: Path, *, row_ids: bool = False) -> str:
    """Return the expression with which DuckDB reads a table.

    Parameters
    ----------
    folder : Path
    row_ids : bool, default False
        Add the columns ``filename`` and ``file_row_number``.

    Raises
    ------
    EmbfeastError
        The table has no parts.
    """
    return scan_files_sql(files(folder), row_ids=row_ids)


def files(folder: Path) -> list[str]:
    """Return the paths of a table's parts, in the order of their names.

    Raises
    ------
    EmbfeastError
        The table has no parts.
    """
    found = parts(folder)
    if not found:
        raise EmbfeastError(f"there is no feature table {folder}; run `feast apply` first")
    return [str(path) for path in found]


def scan_files_sql(paths: Sequence[str], *, row_ids: bool = False) -> str:
    """Return the expression with which DuckDB reads files, as `scan_sql` does a table's."""
    # Files are listed one by one: a pattern would trip over brackets in a folder's name.
    listed = ", ".join(map(literal, paths))
    ids = ", filename = true, file_row_number = true" if row_ids else ""
    return f"read_parquet([{listed}]{ids})"


def lacking_rows(folder: Path, wanted: pa.Table, time_column: str) -> NDArray[np.bool_]:
    """Tell which rows a table has not got.

    Parameters
    ----------
    folder : Path
    wanted : pyarrow.Table
        Columns that together identify a row: keys and times.
    time_column : str
        The one by whose range parts of other periods are skipped.

    Returns
    -------
    ndarray of shape (rows,), bool
    """
    lacking = np.ones(wanted.num_rows, dtype=bool)
    if not wanted.num_rows:
        return lacking
    time = quote(time_column)
    same = " AND ".join(
        f"stored.{quote(name)} IS NOT DISTINCT FROM wanted.{quote(name)}"
        for name in wanted.column_names
    )
    bounds = pc.min_max(wanted[time_column]).as_py()
    connection = connect_memory()
    try:
        connection.register(
            "wanted", wanted.append_column("wanted_row", pa.array(np.arange(wanted.num_rows)))
        )
        found = run(
            connection,
            folder,
            f"SELECT wanted_row FROM wanted SEMI JOIN (SELECT * FROM {scan_sql(folder)} "  # noqa: S608
            f"WHERE {time} BETWEEN $first AND $last) stored ON {same}",
            {"first": bounds["min"], "last": bounds["max"]},
        ).fetchnumpy()["wanted_row"]
    finally:
        connection.close()
    lacking[np.asarray(found, dtype=np.int64)] = False
    return lacking


def run(
    connection: duckdb.DuckDBPyConnection, folder: Path, sql: str, values: dict[str, Any]
) -> Any:
    """Run SQL over a table's parts.

    Raises
    ------
    EmbfeastError
        A part cannot be read: the message names it.
    """
    try:
        return connection.execute(sql, values)
    except duckdb.Error as error:
        raise why_not(folder, error) from error


def why_not(folder: Path, error: Exception) -> EmbfeastError:
    """Return the error that says which part of a table cannot be read, and what to do."""
    damaged = next((part for part in parts(folder) if not is_readable(part)), None)
    said = str(error).splitlines()[0]
    if damaged is None:
        return EmbfeastError(f"feature table {folder} cannot be read: {said}")
    return EmbfeastError(
        f"part {damaged} cannot be read ({said}); remove it and materialize its period again: its "
        "rows are computed anew"
    )


def _read_schema(part: Path) -> pa.Schema:
    try:
        schema: pa.Schema = pq.read_schema(part).remove_metadata()
    except (OSError, pa.ArrowInvalid) as error:
        raise EmbfeastError(
            f"part {part} cannot be read ({error}); remove it and materialize its period again"
        ) from error
    return schema


def _content_hash(table: pa.Table) -> str:
    total = hashlib.sha256(table.schema.to_string().encode())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    total.update(sink.getvalue())
    return total.hexdigest()[:32]


def sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
