import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast.tables.columns import MOMENT
from embfeast.tables.files import write_file
from embfeast.tables.place import Place
from embfeast.tables.present_rows import PresentRows
from embfeast.tables.table import ensure_table
from tests.small_repository import day

SCHEMA = pa.schema([("id", pa.int64()), ("event_timestamp", MOMENT), ("created_timestamp", MOMENT)])
identities = st.tuples(
    st.one_of(st.none(), st.integers(0, 3)), st.integers(1, 6), st.integers(1, 6)
)


def table(rows):
    return pa.Table.from_pylist(
        [
            {"id": key, "event_timestamp": day(event), "created_timestamp": day(known)}
            for key, event, known in rows
        ],
        SCHEMA,
    )


IDENTITY = SCHEMA.names


def store(folder, *chunks):
    made, _ = ensure_table(Place(str(folder)), SCHEMA)
    for rows in chunks:
        made.commit([write_file(made.place, table(rows)).add()])
    return made


@settings(deadline=None)
@given(st.lists(identities, max_size=12), st.lists(identities, max_size=12))
def test_what_is_not_stored_is_lacking_whatever_the_rows(tmp_path_factory, stored, asked):
    chunks = [stored[start : start + 5] for start in range(0, len(stored), 5)]
    known = PresentRows(store(tmp_path_factory.mktemp("table"), *chunks), IDENTITY)
    found = known.lacking(table(asked)).tolist()
    again = known.lacking(table(asked)).tolist()
    known.close()
    assert found == again == [row not in stored for row in asked]


def test_a_period_takes_in_late_arrivals_and_nothing_after_its_end(tmp_path):
    rows = [(1, 1, 1), (1, 1, 4), (1, 3, 3), (1, 5, 5)]
    known = PresentRows(store(tmp_path, rows), IDENTITY, day(3), day(4))
    assert known.lacking(table(rows)).tolist() == [True, False, False, True]
    known.close()


def test_rows_that_a_source_has_not_got_are_told(tmp_path):
    rows = PresentRows(store(tmp_path, [(1, 1, 1), (2, 1, 1), (None, 2, 2)]), IDENTITY)
    assert rows.unseen().num_rows == 3
    rows.compare(table([(1, 1, 1)]))
    rows.compare(table([(None, 2, 2)]))
    assert rows.unseen().equals(table([(2, 1, 1)]))
    rows.close()


@pytest.mark.parametrize("key", ["wanted_row", "stored_row", "wanted", "stored", "other", "last"])
def test_a_key_may_be_called_as_a_part_of_the_query(tmp_path, key):
    names = [key, *IDENTITY[1:]]
    rows = table([(1, 1, 1), (2, 2, 2)]).rename_columns(names)
    made, _ = ensure_table(Place(str(tmp_path)), rows.schema)
    made.commit([write_file(made.place, rows.slice(0, 1)).add()])
    present = PresentRows(made, names, event="event_timestamp")
    assert present.lacking(rows).tolist() == [False, True]
