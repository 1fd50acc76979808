import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embfeast.tables import coverage
from embfeast.tables.place import Place
from embfeast.tables.table import Table, ensure_table
from tests.small_repository import day


@pytest.fixture
def table(tmp_path):
    return ensure_table(Place(str(tmp_path)), pa.schema([("id", pa.int64())]))[0]


def test_periods_are_merged_and_kept(table):
    for start, end in [(0, 2), (5, 7), (1, 3)]:
        coverage.add(table, (day(start), day(end)))
    assert coverage.read(Table.open(table.place)) == [(day(0), day(3)), (day(5), day(7))]
    version = table.version
    coverage.add(table, (day(6), day(7)))
    assert table.version == version, "what is covered already is no commit"


def test_of_two_that_record_at_once_neither_is_lost(table):
    other = Table.open(table.place)
    coverage.add(table, (day(0), day(1)))
    coverage.add(other, (day(4), day(5)))
    assert coverage.read(other) == [(day(0), day(1)), (day(4), day(5))]


def test_the_record_outlives_checkpoints_and_the_log_before_them(table):
    coverage.add(table, (day(0), day(1)))
    table.checkpoint()
    for file in (table.place.path / "_delta_log").glob("*.json"):
        file.unlink()
    assert coverage.read(Table.open(table.place)) == [(day(0), day(1))]


periods = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted).map(tuple), max_size=4
)


@given(periods, st.integers(0, 20))
def test_a_run_begins_no_later_than_asked_and_closes_every_gap(wanted, start):
    begin = coverage.start_of_gap([], wanted, start)
    assert begin <= start
    assert all(begin <= a for a, _ in wanted)
    assert coverage.start_of_gap(wanted, wanted, start) == start
