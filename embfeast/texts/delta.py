"""Delta tables of others: the files of the newest version, and what the log says of them."""

import re
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from embfeast.errors import EmbfeastError
from embfeast.storage import Folder, refused, why_misread

LOG = "_delta_log"
TAKEN = {"timestampNtz"}  # features whose tables are read by their files as they are
AS_PARQUET = "or write the table as plain Parquet files"
MENDS = {
    "deletionVectors": "in Spark: ALTER TABLE ... DROP FEATURE deletionVectors",
    "columnMapping": "in Spark: ALTER TABLE ... DROP FEATURE columnMapping",
}
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
            mend = MENDS.get(beyond[0], "")
            raise EmbfeastError(
                f"Delta table {folder} cannot be read: it uses {', '.join(beyond)}",
                f"{mend}, {AS_PARQUET}" if mend else AS_PARQUET.removeprefix("or "),
            )
        # Spark writes times in a way that pyarrow takes for nanoseconds, which end in 2262.
        whole: Any = table.to_pyarrow_dataset(
            parquet_read_options=ds.ParquetReadOptions(None, coerce_int96_timestamp_unit="us")
        )
    except (DeltaError, OSError, pa.ArrowException) as error:
        if unknown := re.search(r"Unsupported: (Feature .*) is not supported", str(error)):
            found = f"Delta table {folder} cannot be read: {unknown[1]} is not known here"
            raise EmbfeastError(found, AS_PARQUET.removeprefix("or ")) from error
        raise refused(f"Delta table {folder} cannot be read", error) from error
    return Slices(list(whole.get_fragments()), whole.schema, whole.format, whole.filesystem)


def _beyond(table: DeltaTable) -> list[str]:
    """Return the features without which its files do not say what its rows are."""
    used = set(table.protocol().reader_features or ())
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        used.add("columnMapping")
    return sorted(used - TAKEN, reverse=True)
