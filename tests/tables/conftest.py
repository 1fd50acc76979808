"""A feature table of a few columns, and rows for it."""

import pyarrow as pa
import pytest

from embfeast.tables.columns import MOMENT
from embfeast.tables.files import write_file
from embfeast.tables.place import Place
from embfeast.tables.table import Table, ensure_table

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


@pytest.fixture
def table(tmp_path) -> Table:
    return ensure_table(Place(str(tmp_path / "t")), SCHEMA)[0]
