from hypothesis import given
from hypothesis import strategies as st

from embfeast.plugin import coverage
from tests.plugin.conftest import day


def test_periods_are_merged_and_kept(tmp_path):
    for start, end in [(0, 2), (5, 7), (1, 3)]:
        coverage.add(tmp_path, (day(start), day(end)))
    assert coverage.read(tmp_path) == [(day(0), day(3)), (day(5), day(7))]
    assert [p.name for p in tmp_path.iterdir()] == [coverage.FILE]


def test_a_damaged_record_counts_as_none(tmp_path):
    (tmp_path / coverage.FILE).write_text("{")
    assert coverage.read(tmp_path) == []


periods = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted).map(tuple), max_size=4
)


@given(periods, st.integers(0, 20))
def test_a_run_begins_no_later_than_asked_and_closes_every_gap(wanted, start):
    begin = coverage.start_of_gap([], wanted, start)
    assert begin <= start
    assert all(begin <= a for a, _ in wanted)
    assert coverage.start_of_gap(wanted, wanted, start) == start
