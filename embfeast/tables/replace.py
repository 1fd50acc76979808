"""Files put in the place of others: rows taken out of a feature table, and new ones added."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from embfeast.storage import remove_file
from embfeast.tables.files import DataFile, file_name, write_file, written_at
from embfeast.tables.table import ConflictError, Table


def replace_rows(
    table: Table,
    which: str,
    values: Mapping[str, Any] | None = None,
    add: Sequence[DataFile] = (),
    **tables: pa.Table,
) -> tuple[int, list[str]]:
    """Take rows out and add files, in one commit.

    Parameters
    ----------
    table : Table
    which : str
        What follows ``FROM stored`` in DuckDB's SQL and chooses the rows that go.
    values : mapping, optional
        Bound in it.
    add : sequence of DataFile
    **tables : pyarrow.Table
        Named in it.

    Returns
    -------
    int, and list of str
        How many rows went, and the new files of the others.

    Raises
    ------
    ConflictError
        Another writer came first; the files to add are still there.
    """
    found = table.query(
        f"SELECT filename, file_row_number AS row FROM {table.scan(row_ids=True)} stored "
        f"{which} ORDER BY ALL",
        values,
        **tables,
    )
    rewritten = list(_rewritten(table, found))
    try:
        kept = [new for _, new in rewritten if new.rows]
        if rewritten or add:
            table.commit([new.add() for new in [*kept, *add]], [old for old, _ in rewritten])
    except ConflictError:
        for _, new in rewritten:
            if new.path not in table.files:  # of a commit whose answer was lost
                remove_file(new.path)
        raise
    for _, new in rewritten:
        if not new.rows:
            remove_file(new.path)
    return int(found.num_rows), [new.path for new in kept]


def _rewritten(table: Table, found: pa.Table) -> Iterator[tuple[str, DataFile]]:
    """Yield each file that holds such rows, and a new one without them."""
    files = np.asarray(found["filename"].to_pylist(), dtype=object)
    rows = found["row"].to_numpy()
    for file in dict.fromkeys(files):
        whole = table.read(file)
        keep = np.ones(whole.num_rows, dtype=bool)
        keep[rows[files == file]] = False
        name = file_name(written_at(file))
        yield file, write_file(table.place, whole.filter(pa.array(keep)), name)
