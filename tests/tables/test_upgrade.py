"""Tables of the earlier layout, taken over as they are."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embfeast import EmbfeastError
from embfeast.tables import coverage, upgrade
from embfeast.tables.append import Appender
from embfeast.tables.place import Place
from embfeast.tables.table import Table
from embfeast.tables.upkeep import compact
from tests.small_repository import day
from tests.tables.conftest import IDENTITY, SCHEMA, content, ids, rows

EARLIER = SCHEMA.remove(4)
ABOUT = {"name": "t", "description": "what it is"}


@pytest.fixture
def folder(tmp_path):
    """Two parts joined into a third, one more, an empty one, and a list whose part is missing."""
    made = tmp_path / "t"
    made.mkdir()
    parts = {"0-empty": rows(0, 0), "a1": rows(1, 3), "b2": rows(4, 2), "c3": rows(1, 5)}
    for name, part in (parts | {"d4": rows(9, 2)}).items():
        pq.write_table(part.select(EARLIER.names), made / f"{name}.parquet")
    (made / ".c3.parquet.replaced").write_text(json.dumps(["a1.parquet", "b2.parquet"]))
    (made / ".e5.parquet.replaced").write_text(json.dumps(["d4.parquet"]))
    (made / ".coverage.json").write_text(json.dumps([[str(day(0)), str(day(3))]]))
    (made / ".writer.lock").touch()
    return made


def test_rows_and_covered_periods_are_taken_over_and_no_file_is_written_anew(folder):
    before = {path.name: path.read_bytes() for path in folder.glob("[a-d]*.parquet")}
    assert upgrade.upgrade(Place(str(folder)), SCHEMA, ABOUT) is True
    table = Table.open(Place(str(folder)))
    assert ids(table) == [1, 2, 3, 4, 5, 9, 10]
    assert content(table)["embfeast_text_sha256"].null_count == 7
    assert (
        content(table)
        .select(EARLIER.names)
        .equals(pa.concat_tables([rows(1, 5), rows(9, 2)]).select(EARLIER.names).combine_chunks())
    )
    assert coverage.read(table) == [(day(0), day(3))]
    assert {path.name: path.read_bytes() for path in folder.glob("[a-d]*.parquet")} == before
    assert not list(folder.glob(".*"))
    assert upgrade.upgrade(table.place, SCHEMA, ABOUT) is False


def test_what_was_taken_over_is_added_to_joined_and_kept_apart(folder):
    upgrade.upgrade(Place(str(folder)), SCHEMA, ABOUT)
    table = Table.open(Place(str(folder)))
    assert Appender(Table.open(table.place, 0), IDENTITY).append(rows(20, 2)) == 2
    compact(table.reload(), kept_hours=0)
    assert ids(table) == [1, 2, 3, 4, 5, 9, 10, 20, 21]
    assert content(table)["embfeast_text_sha256"].null_count == 7
    assert content(table).select(EARLIER.names)["vector"].to_pylist()[-1] is None


@pytest.mark.parametrize("step", ["write_file", "make_table", "coverage.add", "Path.unlink"])
def test_a_run_that_is_stopped_anywhere_is_mended_by_the_next(folder, monkeypatch, step):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"embfeast.tables.upgrade.{step}", stop)
        with pytest.raises(KeyboardInterrupt):
            upgrade.upgrade(Place(str(folder)), SCHEMA, ABOUT)
    upgrade.upgrade(Place(str(folder)), SCHEMA, ABOUT)
    table = Table.open(Place(str(folder)))
    assert ids(table) == [1, 2, 3, 4, 5, 9, 10]
    assert coverage.read(table) == [(day(0), day(3))]


def test_a_part_of_other_columns_or_that_cannot_be_read_is_named_and_nothing_is_changed(folder):
    (folder / "f6.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(EmbfeastError, match=r"f6\.parquet cannot be read"):
        upgrade.upgrade(Place(str(folder)), SCHEMA, ABOUT)
    pq.write_table(pa.table({"x": [1]}), folder / "f6.parquet")
    with pytest.raises(EmbfeastError, match=r"f6\.parquet has other columns"):
        upgrade.upgrade(Place(str(folder)), SCHEMA, ABOUT)
    assert not (folder / "_delta_log").exists()


def test_a_table_of_now_and_a_folder_without_one_are_left_alone(table, tmp_path):
    assert upgrade.upgrade(table.place, SCHEMA, ABOUT) is False
    assert upgrade.upgrade(Place(str(tmp_path / "nothing")), SCHEMA, ABOUT) is False
