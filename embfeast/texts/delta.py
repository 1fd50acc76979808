"""Delta tables of others: the files of the newest version, and what the log says of them."""

import re
from functools import reduce
from operator import and_
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from embfeast.errors import EmbfeastError
from embfeast.storage import Folder, refused, why_misread

LOG = "_delta_log"
TAKEN = {"timestampNtz"}  # features whose tables are read by their files as they are
AS_PARQUET = "write the table as plain Parquet files"
ROUNDED = 1_000  # microseconds: logs may give times in whole milliseconds
# By itself pyarrow reads a gigabyte of texts ahead.
SLICES: dict[str, Any] = {
    "batch_size": 8_192,
    "batch_readahead": 2,
    "fragment_readahead": 1,
    "fragment_scan_options": ds.ParquetFragmentScanOptions(
        pre_buffer=False, use_buffered_stream=True, buffer_size=4 << 20
    ),
}


class Slices(ds.FileSystemDataset):
    """A dataset of which a slice of rows is in memory at a time."""

    def scanner(self, *asked: Any, **options: Any) -> ds.Scanner:
        """Return what reads the columns and rows that are asked for; DuckDB calls it."""
        return super().scanner(*asked, **options | SLICES)


def open_delta(folder: Folder) -> Slices:
    """Open the newest version of a Delta table; of its files, only those in the log are read.

    Files without rows of a period or partition that is asked for are not opened.

    Raises
    ------
    EmbfeastError
        Its log cannot be read, or its rows are not in its files as they are.
    """
    if odd := why_misread(folder.uri):
        raise EmbfeastError(f"Delta table {folder}: {odd}", "rename the folder")
    try:
        table = DeltaTable(folder.uri)
        if beyond := _beyond(table):
            raise EmbfeastError(
                f"Delta table {folder} cannot be read: it uses {', '.join(beyond)}",
                f"in Spark: ALTER TABLE ... DROP FEATURE {beyond[0]}, or {AS_PARQUET}",
            )
        return _dataset(table)
    except (DeltaError, OSError, pa.ArrowException) as error:
        if unknown := re.search(r"Unsupported: (Feature .*) is not supported", str(error)):
            found = f"Delta table {folder} cannot be read: {unknown[1]} is not known here"
            raise EmbfeastError(found, AS_PARQUET) from error
        raise refused(f"Delta table {folder} cannot be read", error) from error


def _dataset(table: DeltaTable) -> Slices:
    # Spark writes times in a way that pyarrow takes for nanoseconds, which end in 2262.
    read: Any = ds.ParquetReadOptions(None, coerce_int96_timestamp_unit="us")
    whole: Any = table.to_pyarrow_dataset(parquet_read_options=read)
    known = _known_of_files(table, whole.schema)
    fragments = [
        whole.format.make_fragment(path, whole.filesystem, partition_expression=known[path])
        for path in whole.files
    ]
    return Slices(fragments, whole.schema, whole.format, whole.filesystem)


def _known_of_files(table: DeltaTable, schema: pa.Schema) -> dict[str, ds.Expression]:
    """Return what the log says of each file's rows: their partition, and the ends of their times.

    The library's own says of a column without figures that all its values are null.
    """
    added = pa.table(table.get_add_actions(flatten=True))
    parts = [schema.field(name) for name in table.metadata().partition_columns]
    times = [
        name
        for name, kind in zip(schema.names, schema.types, strict=True)
        if pa.types.is_timestamp(kind) and "." not in name and f"min.{name}" in added.column_names
    ]
    known = {}
    paths: list[Any] = added["path"].to_pylist()
    for row, path in enumerate(paths):
        says = [_equals(part, added[f"partition.{part.name}"][row]) for part in parts]
        says += [
            _between(name, added[f"min.{name}"][row], added[f"max.{name}"][row]) for name in times
        ]
        known[unquote(path)] = reduce(and_, says, pc.scalar(value=True))
    return known


def _equals(part: pa.Field, value: pa.Scalar) -> ds.Expression:
    column = pc.field(part.name)
    return column == value.cast(part.type) if value.is_valid else column.is_null()


def _between(name: str, first: Any, last: Any) -> ds.Expression:
    if not (first.is_valid and last.is_valid):
        return pc.scalar(value=True)
    ends = (first.value - ROUNDED, last.value + ROUNDED)
    low, high = (pa.scalar(end, first.type) for end in ends)
    column = pc.field(name)
    return ((column >= low) | column.is_null()) & ((column <= high) | column.is_null())


def _beyond(table: DeltaTable) -> list[str]:
    """Return the features without which its files do not say what its rows are."""
    used = set(table.protocol().reader_features or ())
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        used.add("columnMapping")
    return sorted(used - TAKEN)
