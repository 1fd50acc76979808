"""Feature tables of earlier versions, Parquet files without a log, taken over as they are."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from embfeast.errors import EmbfeastError, first_line
from embfeast.tables import coverage
from embfeast.tables.columns import MOMENT, TEXT_DIGEST
from embfeast.tables.files import DataFile, parquet_folder, write_file
from embfeast.tables.place import LOG, READ_ERRORS, Place
from embfeast.tables.table import EMPTY, Table, make_table

# What an earlier version kept beside the files: the parts that a joined one stands for, the covered
# periods, and who writes.
REPLACED = ".replaced"
COVERAGE = ".coverage.json"
OTHERS = (".writer.lock", ".run")


def upgrade(place: Place, schema: pa.Schema, about: dict[str, str]) -> bool:
    """Make a Delta table of the files of an earlier version, in one commit; they stay as they are.

    A run that is killed anywhere is mended by the next. Rows taken over do not know their text.

    Parameters
    ----------
    place : Place
        A folder of this machine.
    schema : pyarrow.Schema
        Of the view's feature table, with the digest of the text.
    about : dict
        ``name`` and ``description``.

    Returns
    -------
    bool
        Whether it was of an earlier version.

    Raises
    ------
    EmbfeastError
        A file cannot be read, or has other columns.
    """
    if not place.is_local or not parquet_folder(place.path):
        return False
    is_new = not (place.path / LOG).is_dir()
    if is_new:
        add = [_taken_over(place, Path(path), schema).add() for path in _parts(place.path)]
        empty: AddAction = write_file(place, schema.empty_table(), EMPTY).add()
        make_table(place, schema, [empty, *add], about)
    leftovers = [*place.path.glob(f".*{REPLACED}"), *(place.path / name for name in OTHERS)]
    covered = place.path / COVERAGE
    if covered.exists():
        table = Table.open(place)
        for start, end in json.loads(covered.read_text(encoding="ascii")):
            coverage.add(table, (datetime.fromisoformat(start), datetime.fromisoformat(end)))
    for file in (*leftovers, covered):
        file.unlink(missing_ok=True)
    return is_new


def _parts(folder: Path) -> list[str]:
    """Return the files that count: no empty one, and none for which a joined one stands."""
    # A run that was killed may have left the one without rows half written.
    written = (path for path in parquet_folder(folder) if Path(path).name != EMPTY)
    found = [path for path in written if _rows(path)]
    names = {Path(path).name for path in found}
    gone: set[str] = set()
    for listed in folder.glob(f".*{REPLACED}"):
        if listed.name[1 : -len(REPLACED)] in names:  # else the joined one was never made
            gone.update(json.loads(listed.read_text(encoding="utf-8")))
    return [path for path in found if Path(path).name not in gone]


def _rows(path: str) -> int:
    """Return how many rows a file has."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except READ_ERRORS as error:
        raise EmbfeastError(
            f"file {path} cannot be read ({first_line(error)})",
            "remove it, upgrade, and materialize its period again: its rows are computed anew",
        ) from error


def _taken_over(place: Place, path: Path, schema: pa.Schema) -> DataFile:
    stored = pq.read_schema(path).remove_metadata()
    wanted = schema.remove(schema.get_field_index(TEXT_DIGEST))
    if not stored.equals(wanted):
        raise EmbfeastError(
            f"feature table {place}: {path.name} has other columns than the view",
            "it belongs to another recipe or view, move the folder away",
        )
    first, last = {}, {}
    about = pq.read_metadata(path)
    for number, name in enumerate(about.schema.names):
        if name in stored.names and stored.field(name).type == MOMENT:
            found: list[Any] = [
                about.row_group(i).column(number).statistics for i in range(about.num_row_groups)
            ]
            if all(one is not None and one.has_min_max for one in found):
                first[name] = min(one.min for one in found).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                last[name] = max(one.max for one in found).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return DataFile(place, path.name, about.num_rows, path.stat().st_size, first, last)
