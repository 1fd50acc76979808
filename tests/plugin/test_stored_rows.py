import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast.plugin import parts
from embfeast.plugin.feature_table import MOMENT
from embfeast.plugin.stored_rows import StoredRows
from tests.plugin.conftest import day

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


@settings(deadline=None)
@given(st.lists(identities, max_size=12), st.lists(identities, max_size=12))
def test_what_is_not_stored_is_lacking_whatever_the_rows(tmp_path_factory, stored, asked):
    folder = tmp_path_factory.mktemp("table")
    parts.ensure_table(folder, SCHEMA)
    for start in range(0, len(stored), 5):
        parts.write_part(folder, table(stored[start : start + 5]))
    known = StoredRows(folder, ["id"])
    found = known.lacking(table(asked)).tolist()
    again = known.lacking(table(asked)).tolist()
    known.close()
    assert found == again == [row not in stored for row in asked]


def test_a_period_takes_in_late_arrivals_and_nothing_after_its_end(tmp_path):
    rows = [(1, 1, 1), (1, 1, 4), (1, 3, 3), (1, 5, 5)]
    parts.write_part(tmp_path, table(rows))
    known = StoredRows(tmp_path, ["id"], day(3), day(4))
    assert known.lacking(table(rows)).tolist() == [True, False, False, True]
    known.close()


def test_rows_that_a_source_has_not_got_are_told(tmp_path):
    parts.write_part(tmp_path, table([(1, 1, 1), (2, 1, 1), (None, 2, 2)]))
    rows = StoredRows(tmp_path, ["id"])
    assert rows.lacked_by(table([(1, 1, 1), (None, 2, 2)])).equals(table([(2, 1, 1)]))
    assert rows.lacked_by(table([])).num_rows == 3
    rows.close()
