"""Columns of chosen rows of Parquet files: a few rows at a time, straight to where they belong.

Wide columns dominate a training set. Read this way they are decoded once and copied once, and
besides the result little is in memory.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.storage import open_to_read

# Row groups decoded side by side: more than there are cores only take more memory.
WORKERS = 4
# Rows of vectors decoded at a time: fewer take longer, more only take more memory.
STEP = 2_048
# Rows of all columns handed over at a time: fewer make more and smaller parts of each slice.
ROWS = 8_192
# The column of a query that says where a row is: its file's number and its own in one.
PLACE = "embfeast_place"
FILE_NUMBER = "embfeast_file"
MOST_IN_A_FILE = 2**40
UNKNOWN = -1
MOST_IN_A_LIST = 2**31 - 1

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """A row group and what is wanted of it.

    Attributes
    ----------
    file : str
    about : FileMetaData
        Read once a file.
    number : int
        Of the row group.
    wanted : ndarray
        Rows inside the group, in order.
    places : ndarray
        Rows of the result that they go to.
    """

    file: str
    about: pq.FileMetaData
    number: int
    wanted: Positions
    places: Positions


def fetch_rows(
    files: Sequence[str],
    file_of: Positions,
    row_of: Positions,
    columns: Sequence[str],
    *,
    uneven: frozenset[str] = frozenset(),
) -> dict[str, pa.Array]:
    """Return columns of rows of Parquet files, in the order asked for.

    Parameters
    ----------
    files : sequence of str
        Paths of files with equal columns.
    file_of : ndarray of shape (n,), int64
        Which file each row is in; -1 for a row of nulls.
    row_of : ndarray of shape (n,), int64
        Its number in that file.
    columns : sequence of str
    uneven : frozenset of str
        Columns of vectors known to differ in width.

    Returns
    -------
    dict of pyarrow.Array of length n
        By column.
    """
    schema = pq.read_schema(open_to_read(files[0]))
    vectors: dict[str, _Vectors] = {}
    cells: dict[str, _Cells] = {}
    for name in columns:
        field = schema.field(name)
        if _holds_vectors(field.type) and name not in uneven:
            vectors[name] = _Vectors(field, len(row_of))
        else:
            cells[name] = _Cells(field, len(row_of))

    def fill(group: Group) -> None:
        with pq.ParquetFile(
            open_to_read(group.file), metadata=group.about, pre_buffer=False
        ) as opened:
            if cells:
                table = opened.read_row_group(group.number, list(cells), use_threads=False)
                for name, cell in cells.items():
                    cell.fill(table[name], group)
            for name, column in vectors.items():
                steps = opened.iter_batches(STEP, [group.number], [name], use_threads=False)
                for step, some in _steps(steps, group):
                    column.fill(cast(pa.ListArray, step.column(0)), some)

    try:
        made: dict[str, _Vectors | _Cells] = {**vectors, **cells}
        with ThreadPoolExecutor(min(WORKERS, pa.cpu_count())) as pool:
            list(pool.map(fill, groups(files, file_of, row_of)))
            finished = pool.map(lambda column: column.finish(), made.values())
            return dict(zip(made, finished, strict=True))
    except _UnevenError as found:
        return fetch_rows(files, file_of, row_of, columns, uneven=uneven | {str(found)})


def hand_over_rows(
    files: Sequence[str],
    file_of: Positions,
    row_of: Positions,
    columns: Sequence[str],
    take: Callable[[Positions, pa.Table], None],
) -> None:
    """Read columns of rows as `fetch_rows` does, and hand them over in the order of the files.

    Parameters
    ----------
    take : callable
        Called with the rows' places in the order asked for, and their columns; by several threads.
    """

    def read(group: Group) -> None:
        with pq.ParquetFile(
            open_to_read(group.file), metadata=group.about, pre_buffer=False
        ) as opened:
            batches = opened.iter_batches(ROWS, [group.number], list(columns), use_threads=False)
            for batch, some in _steps(batches, group):
                cells = pa.Table.from_batches([batch]).select(list(columns))  # as in the file
                take(some.places, cells.take(pa.array(some.wanted)))

    with ThreadPoolExecutor(min(WORKERS, pa.cpu_count())) as pool:
        list(pool.map(read, groups(files, file_of, row_of)))


def placed_scan(scan: str) -> str:
    """Return what reads rows with their `PLACE`: one number takes far less than a file's name.

    Parameters
    ----------
    scan : str
        What stands after FROM, with the columns ``filename`` and ``file_row_number``; the table
        ``files`` is `file_numbers`'.
    """
    # A row whose file is not among them must not vanish: `positions` meets it.
    place = f"coalesce({FILE_NUMBER} * {MOST_IN_A_FILE} + file_row_number, {UNKNOWN}) AS {PLACE}"
    own = f"* EXCLUDE (filename, file_row_number, {FILE_NUMBER})"
    return f"(SELECT {own}, {place} FROM {scan} LEFT JOIN files USING (filename))"


def file_numbers(files: Sequence[str]) -> pa.Table:
    """Return the table ``files``: their names and numbers."""
    numbers = pa.array(range(len(files)), pa.int64())
    return pa.table({"filename": pa.array(files, pa.string()), FILE_NUMBER: numbers})


def positions(places: Positions, where: str) -> tuple[Positions, Positions]:
    """Return in which file rows are, and their numbers in it.

    Raises
    ------
    EmbfeastError
        A row was read from a file that `file_numbers` was not given.
    """
    if (places == UNKNOWN).any():
        raise EmbfeastError(f"{where}: its files changed their names", "read again")
    file_of, row_of = np.divmod(places, MOST_IN_A_FILE)
    return file_of, row_of


def _holds_vectors(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) and pa.types.is_floating(kind.value_type))


def groups(files: Sequence[str], file_of: Positions, row_of: Positions) -> Iterator[Group]:
    """Yield the row groups that hold given rows, as `fetch_rows` is given them."""
    # One number to sort by takes a third of the time of two.
    order = np.argsort(file_of * (row_of.max(initial=0) + 1) + row_of)
    starts = np.searchsorted(file_of[order], np.arange(len(files) + 1))
    for number, file in enumerate(files):
        places = order[starts[number] : starts[number + 1]]
        if not len(places):
            continue
        about = pq.read_metadata(open_to_read(file))
        sizes = [about.row_group(i).num_rows for i in range(about.num_row_groups)]
        ends = np.cumsum([0, *sizes])
        cuts = np.searchsorted(row_of[places], ends)
        for i in range(about.num_row_groups):
            own = places[cuts[i] : cuts[i + 1]]
            if len(own):
                yield Group(file, about, i, row_of[own] - ends[i], own)


def _steps(
    batches: Iterator[pa.RecordBatch], group: Group
) -> Iterator[tuple[pa.RecordBatch, Group]]:
    """Yield batches, and what is wanted of each."""
    start = 0
    for batch in batches:
        first, last = np.searchsorted(group.wanted, [start, start + len(batch)])
        own = slice(first, last)
        if first < last:
            yield (
                batch,
                replace(group, wanted=group.wanted[own] - start, places=group.places[own]),
            )
        start += len(batch)


class _UnevenError(Exception):
    """A column's vectors differ in width."""


class _Vectors:
    """Lists of so many floats each, filled in place."""

    def __init__(self, field: pa.Field, rows: int) -> None:
        self._field = field
        self._present = np.zeros(rows, dtype=bool)
        self._values: NDArray[np.floating] | None = None
        self._making = Lock()

    def fill(self, cells: pa.ListArray, group: Group) -> None:
        present = np.asarray(cells.is_valid())
        widths = np.diff(np.asarray(cells.offsets))[present]
        if not len(widths):
            return
        numbers = np.asarray(cells.flatten())
        if (widths != widths[0]).any() or len(numbers) != len(widths) * widths[0]:
            raise _UnevenError(self._field.name)
        values = self._of_width(int(widths[0]))
        wanted = present[group.wanted]
        places = group.places[wanted]
        vectors = numbers.reshape(len(widths), -1)
        values[places] = vectors[(np.cumsum(present) - 1)[group.wanted[wanted]]]
        self._present[places] = True

    def _of_width(self, width: int) -> NDArray[np.floating]:
        with self._making:  # row groups are filled side by side
            if self._values is None:
                kind = self._field.type.value_type.to_pandas_dtype()
                self._values = np.empty((len(self._present), width), dtype=kind)
        if self._values.shape[1] != width:
            raise _UnevenError(self._field.name)
        return self._values

    def finish(self) -> pa.Array:
        if self._values is None:
            return _nulls(len(self._present), self._field.type)
        if len(self._values) * self._values.shape[1] > MOST_IN_A_LIST:
            raise _UnevenError(self._field.name)  # positions of 32 bits do not reach that far
        width = self._values.shape[1]
        if not self._present.all():
            self._values = self._values[self._present]
        ends = np.concatenate([[0], np.cumsum(self._present)]) * width
        return pa.ListArray.from_arrays(
            pa.array(ends, pa.int32()),
            pa.array(self._values.reshape(-1), self._field.type.value_type),
            type=self._field.type,
            mask=pa.array(~self._present) if not self._present.all() else None,
        )


def _nulls(rows: int, kind: pa.DataType) -> pa.Array:
    cells: pa.Array = pa.nulls(rows, cast(Any, kind))  # any kind, whatever the stubs say
    return cells


class _Cells:
    """Cells of any kind, put in order at the end."""

    def __init__(self, field: pa.Field, rows: int) -> None:
        self._field = field
        self._rows = rows
        self._parts: list[tuple[pa.Array, Positions]] = []

    def fill(self, cells: pa.ChunkedArray, group: Group) -> None:
        taken = cells.take(pa.array(group.wanted))
        self._parts.append((taken.combine_chunks(), group.places))

    def finish(self) -> pa.Array:
        found = np.full(self._rows, -1, dtype=np.int64)
        taken = list(self._parts)
        if not taken:
            return _nulls(self._rows, self._field.type)
        found[np.concatenate([places for _, places in taken])] = np.arange(
            sum(len(cells) for cells, _ in taken)
        )
        indices = pa.array(found, mask=found < 0)
        column = pa.chunked_array([cells for cells, _ in taken]).take(indices)
        return pa.concat_arrays(column.chunks)
