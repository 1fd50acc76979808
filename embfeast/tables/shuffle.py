"""Rows that come in any order, read back in the order wanted, a slice at a time: by way of disk.

Feature rows lie in files in the order of their times, entity rows ask for them in any other. Read a
slice at a time each slice would touch every row group; this way each is decoded once.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa

from embfeast.errors import EmbfeastError
from embfeast.tables.fetch import Positions

ROW = "embfeast_row"


class Shuffle:
    """Columns of n rows on their way through a file.

    Parameters
    ----------
    rows : int
        n.
    step : int
        Rows of a slice.
    schema : pyarrow.Schema
        Of the columns.
    folder : Path or None
        Where the file lies; None for the machine's folder of temporary files. It has no name and is
        gone when it is closed, or when the process ends.
    """

    def __init__(self, rows: int, step: int, schema: pa.Schema, folder: Path | None = None) -> None:
        self._rows, self._step, self._schema = rows, step, schema
        self._parts: list[list[tuple[int, int]]] = [[] for _ in range(0, max(rows, 1), step)]
        self._where = str(folder or tempfile.gettempdir())
        try:
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._no_room(error) from error
        self._end = 0
        self._lock = Lock()

    def add(self, places: Positions, cells: pa.Table) -> None:
        """Take some rows, in any order; several threads may do so at a time."""
        order = np.argsort(places)
        places = places[order]
        cells = cells.take(order).append_column(ROW, pa.array(places))
        numbers, starts = np.unique(places // self._step, return_index=True)
        for number, start, end in zip(numbers, starts, [*starts[1:], len(places)], strict=True):
            self._write(int(number), _packed(cells.slice(start, end - start)))

    def slices(self) -> Iterator[pa.Table]:
        """Yield the rows in order, a slice at a time; those that never came are null."""
        for number in range(len(self._parts)):
            start = number * self._step
            yield self._slice(number, start, min(self._step, self._rows - start))

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def _write(self, number: int, packed: pa.Buffer) -> None:
        with self._lock:
            offset = self._end
            self._end += packed.size
            self._parts[number].append((offset, packed.size))
        try:
            rest = memoryview(packed)
            while len(rest):  # the system may take a part
                written = os.pwrite(self._file.fileno(), rest, offset)
                rest, offset = rest[written:], offset + written
        except OSError as error:
            raise self._no_room(error) from error

    def _slice(self, number: int, start: int, rows: int) -> pa.Table:
        parts = [
            pa.ipc.open_stream(os.pread(self._file.fileno(), size, offset)).read_all()
            for offset, size in self._parts[number]
        ]
        if not parts:
            return pa.table([pa.nulls(rows, f.type) for f in self._schema], schema=self._schema)
        cells = pa.concat_tables(parts).combine_chunks()
        found = np.full(rows, -1, dtype=np.int64)
        found[cells[ROW].to_numpy() - start] = np.arange(cells.num_rows)
        return cells.drop_columns(ROW).take(pa.array(found, mask=found < 0))

    def _no_room(self, error: OSError) -> EmbfeastError:
        return EmbfeastError(
            f"rows of a training set cannot be put aside in {self._where}: {error.strerror}",
            "make room there, or set TMPDIR to a folder of a larger disk",
        )


def _packed(cells: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, cells.schema) as stream:
        stream.write_table(cells)
    return sink.getvalue()
