"""A feature table of a few columns, and rows for it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pyarrow as pa
import pytest

from embfeast.storage import Folder, entries, exists, read_bytes, remove_file, write_bytes
from embfeast.tables.append import Appender
from embfeast.tables.columns import MOMENT
from embfeast.tables.files import write_file
from embfeast.tables.place import Place
from embfeast.tables.rewrite import delete_where
from embfeast.tables.table import Table, ensure_table
from embfeast.tables.upkeep import compact

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("event_timestamp", MOMENT),
        ("created_timestamp", MOMENT),
        ("vector", pa.list_(pa.float32())),
        ("embfeast_text_sha256", pa.binary()),
    ]
)
IDENTITY = ["id", "event_timestamp", "created_timestamp"]


def rows(first: int, count: int = 1) -> pa.Table:
    numbers = range(first, first + count)
    return pa.table(
        {
            "id": list(numbers),
            "event_timestamp": pa.array(numbers, MOMENT),
            "created_timestamp": pa.array(numbers, MOMENT),
            "vector": [None if n % 7 == 0 else [float(n), -0.0] for n in numbers],
            "embfeast_text_sha256": [str(n).encode() for n in numbers],
        },
        schema=SCHEMA,
    )


def add(table: Table, *given: pa.Table) -> None:
    for one in given:
        table.commit([write_file(table.place, one).add()])


def content(table: Table) -> pa.Table:
    return table.query(f"SELECT * FROM {table.scan()} ORDER BY id")


def ids(table: Table) -> list[int]:
    return content(table)["id"].to_pylist()


def use_a_table(place: Place) -> None:
    """Do all that is done to a table: two writers, a delete, upkeep, a reader."""
    table = ensure_table(place, SCHEMA)[0]
    late, other = (Appender(Table.open(place), IDENTITY) for _ in range(2))
    assert late.append(rows(1, 9)) == 9
    assert other.append(rows(8, 4)) == 2
    assert delete_where(table.reload(), "id = 3") == 1
    before, after = compact(table, kept_hours=0)
    assert after < before
    assert ids(Table.open(place)) == [1, 2, *range(4, 12)]


def use_files(folder: str) -> None:
    """Do all that is done to files beside the tables: recipes, texts, tickets of pushes."""
    file = f"{folder}/current"
    write_bytes(file, b"abc")
    assert read_bytes(file) == b"abc"
    assert entries(Folder(folder)) == {"current": False}
    remove_file(file)
    assert not exists(file)


def write_at_once(place: Place) -> None:
    """Let three writers add rows, some of them the same, all at the same moments."""
    together = Barrier(3, timeout=60)

    def write(number: int) -> None:
        appender = Appender(Table.open(place, 0), IDENTITY)
        for start in range(number, 40, 5):
            file = write_file(place, rows(start, 5))
            appender.table.reload()
            together.wait()
            appender.add(file)

    ensure_table(place, SCHEMA)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    assert ids(Table.open(place)) == list(range(42))


@pytest.fixture
def table(tmp_path) -> Table:
    return ensure_table(Place(str(tmp_path / "t")), SCHEMA)[0]
