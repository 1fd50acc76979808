"""Rows taken out by key and by condition; the others stay to the bit."""

import pyarrow as pa
import pytest

from embfeast import EmbfeastError
from embfeast.tables.rewrite import delete_keys, delete_where
from embfeast.tables.table import Table
from embfeast.tables.upkeep import compact
from tests.tables.conftest import add, content, ids, rows


def test_a_key_goes_with_all_its_revisions_and_the_rest_stays_to_the_bit(table):
    add(table, rows(0, 5), rows(5, 5), rows(20, 5))
    untouched = table.files[-1]
    gone = pa.table({"id": pa.array([1, 7, 99], pa.int64())})
    assert delete_keys(table, gone) == 2
    kept = [n for n in [*range(10), *range(20, 25)] if n not in (1, 7)]
    wanted = pa.concat_tables([rows(n) for n in kept]).combine_chunks()
    assert content(table).equals(wanted)
    assert untouched in table.files
    assert delete_keys(table, gone) == 0


def test_a_condition_takes_out_what_it_holds_for(table):
    add(table, rows(0, 5), rows(5, 5))
    assert delete_where(table, "id >= $least", {"least": 5}) == 5
    assert ids(table) == [0, 1, 2, 3, 4]
    assert delete_where(table, "true") == 5
    assert ids(table) == []
    add(table, rows(3))
    assert ids(table) == [3]


def test_what_was_deleted_stays_in_older_versions_until_it_is_erased(table):
    add(table, rows(0, 5))
    before = table.version
    delete_where(table, "id = 3")
    assert ids(Table.open(table.place, before)) == [0, 1, 2, 3, 4]
    compact(table, kept_hours=0)
    with pytest.raises(EmbfeastError):
        ids(Table.open(table.place, before))
    assert ids(table) == [0, 1, 2, 4]
    assert table.unread() == []


def test_a_delete_beside_an_append_takes_its_rows_out_and_keeps_the_new_ones(table):
    add(table, rows(0, 5))
    late = Table.open(table.place)
    add(table, rows(5, 5))
    assert delete_where(late, "id % 5 = 0") == 2
    assert ids(late) == [1, 2, 3, 4, 6, 7, 8, 9]
    assert len(late.unread()) == 2, "the two files that older versions need"
