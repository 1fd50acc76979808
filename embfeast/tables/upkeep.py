"""What keeps a feature table quick and small: a thousand short runs are read like a long one.

Small files are joined; the log is checkpointed as it grows; files that no version needs any more go
after a while, so that readers that have listed them already are not cut off.
"""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import accumulate

import pyarrow as pa

from embfeast.errors import EmbfeastError
from embfeast.storage import remove_file
from embfeast.tables.files import ROW_GROUP, file_name, write_file, written_at
from embfeast.tables.table import EMPTY, LOG_HOURS, ConflictError, Table

# Of files of about one size so many are joined at a time; fewer cost a reader little.
MOST_SMALL = 32
# Sizes of small files, in rows. One joined of many is of the next size, so that a row is rewritten
# a few times at most until it lies in a large one.
SIZES = ((0, 64), (64, ROW_GROUP // 4))
# Rows of a file that is made of small ones.
MOST_ROWS = 16 * ROW_GROUP
# Hours that an older version can still be read.
KEPT_HOURS = 1
# How long the log keeps its entries, and the names of files that were taken out: one whose name it
# has lost is cleaned up as a file that was never added.
LOG_KEPT = ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration")


def keep_up(table: Table, *, kept_hours: int = KEPT_HOURS) -> bool:
    """Join small files where there are many, and then remove what is not needed any more.

    Its cost is bounded: most runs have nothing to join, and one never joins more than `MOST_ROWS`.

    Returns
    -------
    bool
        Whether files were joined.

    Raises
    ------
    EmbfeastError
        The disk is full or the folder cannot be written; the table is as before.
    """
    _keep_log(table, kept_hours)
    for least, most in SIZES:
        small = _files_of(table, least, most)
        if len(small) >= MOST_SMALL:
            with contextlib.suppress(ConflictError):  # another writer came first: the next run does
                join(table, small)
                table.vacuum(kept_hours)
                return True
    return False


def compact(table: Table, *, kept_hours: int = KEPT_HOURS) -> tuple[int, int]:
    """Join all small files, checkpoint the log and remove what is not needed any more.

    Returns
    -------
    before, after : int
        Numbers of files.
    """
    before = len(table.files)
    _keep_log(table, kept_hours)
    while len(small := _files_of(table, 0, ROW_GROUP // 4)) > 1:
        with contextlib.suppress(ConflictError):  # another writer came first: look again
            join(table, small)
    table.checkpoint()
    table.vacuum(kept_hours)
    return before, len(table.files)


def drop_damaged(table: Table) -> list[str]:
    """Take files that cannot be read out of a table: their rows can then be computed anew."""
    damaged = table.damaged()
    if damaged:
        table.commit([], damaged)
    return damaged


def _keep_log(table: Table, kept_hours: int) -> None:
    """Let the log name older versions, and files that they need, for as long as those stay."""
    said = dict.fromkeys(LOG_KEPT, f"interval {kept_hours} hours")
    if kept_hours > LOG_HOURS and not said.items() <= table.properties.items():
        with contextlib.suppress(ConflictError):  # another writer came first: the next run does
            table.set_properties(said)


def _files_of(table: Table, least: int, most: int) -> list[str]:
    """Return files of so many rows, but for the one that holds none."""
    counted = table.rows_of()
    return [
        file
        for file, rows in counted.items()
        if least <= (rows or 0) < most and not file.endswith(f"/{EMPTY}")
    ]


def join(table: Table, files: Sequence[str]) -> None:
    """Put one file in the place of small ones; as many as fit.

    Raises
    ------
    ConflictError
        Another writer came first.
    EmbfeastError
        The disk is full or the folder cannot be written; the table is as before.
    """
    counted = table.rows_of()
    ends = accumulate(counted[file] for file in files)
    chosen = [file for file, end in zip(files, ends, strict=True) if end <= MOST_ROWS]
    try:
        name = file_name(max(map(written_at, chosen)))
        made = write_file(table.place, _row_groups(table, chosen), name)
    except EmbfeastError as error:
        raise EmbfeastError(
            f"{error.found}; its small files cannot be joined",
            "the run's rows are stored and whole, and the next run tries again",
        ) from error
    try:
        table.commit([made.add(data_change=False)], chosen, data_change=False)
    except ConflictError:
        remove_file(made.path)
        raise


def _row_groups(table: Table, files: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows in tables of a row group each, however little a file holds."""
    waiting: list[pa.Table] = []
    for file in files:
        waiting.append(table.read(file))
        if sum(one.num_rows for one in waiting) >= ROW_GROUP:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()
