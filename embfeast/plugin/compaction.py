"""Small parts become large ones: a table of a thousand short runs is read like one of a long run.

The new part names the parts that it stands for in a file beside it, which is there before the
part itself. From the moment the part appears readers leave those out, so a row is never seen twice
and never missed. The replaced files stay for a while, for readers that have listed them already.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from embfeast.errors import EmbfeastError
from embfeast.plugin import parts

# So many small parts are joined at a time; fewer cost a reader little.
MOST_SMALL = 32
# A part of fewer rows is small. A row is rewritten a few times until it lies in a large part.
LARGE = parts.ROW_GROUP
# Rows of a part that compaction makes.
MOST_ROWS = 16 * parts.ROW_GROUP
# Seconds that a replaced part stays: a reader lists a table's parts and opens them later.
GRACE = 3600.0


def compact(folder: Path) -> Path | None:
    """Join a table's small parts where there are many, and remove what was replaced long ago.

    Only the table's one writer may call it.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Path or None
        The new part.

    Raises
    ------
    EmbfeastError
        The disk is full or the folder cannot be written; the table is as before.
    """
    try:
        _remove_replaced(folder)
        small = _small(folder)
        if len(small) < MOST_SMALL:
            return None
        return _join(folder, _as_many_as_fit(small))
    except (OSError, pa.ArrowException) as error:
        raise EmbfeastError(
            f"feature table {folder}: its small parts cannot be joined ({error}); the run's rows "
            "are stored and whole, and the next run tries again"
        ) from error


def _small(folder: Path) -> list[tuple[Path, int]]:
    """Return small parts and their rows, those with the oldest rows first."""
    found = []
    for part in parts.parts(folder):
        about = pq.read_metadata(part)
        if part.name != parts.EMPTY and about.num_rows < LARGE:
            found.append((_first_time(about), part, about.num_rows))
    return [(part, rows) for _, part, rows in sorted(found)]


def _as_many_as_fit(small: Sequence[tuple[Path, int]]) -> list[Path]:
    ends = accumulate(rows for _, rows in small)
    return [part for (part, _), end in zip(small, ends, strict=True) if end <= MOST_ROWS]


def _first_time(about: pq.FileMetaData) -> str:
    column = about.schema.names.index(parts.TIME)
    statistics = about.row_group(0).column(column).statistics
    return str(statistics.min) if statistics is not None and statistics.has_min_max else ""


def _join(folder: Path, small: Sequence[Path]) -> Path:
    name = f"{uuid.uuid4().hex}.parquet"
    half = folder / f".{name}.tmp"
    list_half = folder / f".{name}.list.tmp"
    try:
        with half.open("wb") as stream:
            parts.write_rows(stream, _row_groups(small))
            stream.flush()
            os.fsync(stream.fileno())
        list_half.write_text(json.dumps([part.name for part in small]), encoding="utf-8")
        list_half.replace(parts.replaced_list(folder / name))
        half.replace(folder / name)
        parts.sync_folder(folder)
    finally:
        half.unlink(missing_ok=True)
        list_half.unlink(missing_ok=True)
    return folder / name


def _row_groups(small: Sequence[Path]) -> Iterator[pa.Table]:
    """Yield the rows in tables of a row group each, however little a part holds."""
    waiting: list[pa.Table] = []
    for part in small:
        waiting.append(pq.ParquetFile(part).read())
        if sum(table.num_rows for table in waiting) >= parts.ROW_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _remove_replaced(folder: Path) -> None:
    for listed in folder.glob(f".*{parts.REPLACED}"):
        part = parts.part_of_list(listed)
        if not part.exists():  # the run that wrote the list was stopped before the part
            listed.unlink()
        elif time.time() - part.stat().st_mtime > GRACE:
            for name in json.loads(listed.read_text(encoding="utf-8")):
                (folder / name).unlink(missing_ok=True)
            listed.unlink()
