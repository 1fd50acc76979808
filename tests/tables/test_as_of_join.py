"""The join against an oracle in plain Python loops."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.tables.as_of_join import FeatureRelation, Spine, join_as_of, stream_as_of
from embfeast.texts import database

START = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")


def hour(number):
    return None if number is None else START + timedelta(hours=number)


def oracle(entities, rows, ttl, only_known):
    """Return the feature of each entity row, found by looking at every feature row."""
    found = []
    for key, now in entities:
        best = None
        for position, (own, event, created, feature) in enumerate(rows):
            known = event if created is None else created
            if own is None or own != key or event > now or (only_known and known > now):
                continue
            rank = (event, known, position)
            if best is None or rank > best[0]:
                best = (rank, feature)
        if best is not None and ttl is not None and best[0][0] < now - ttl:
            best = None
        found.append(best[1] if best else None)
    return found


hours = st.integers(0, 12)
feature_rows = st.lists(
    st.tuples(st.none() | st.integers(1, 3), hours, st.none() | hours, st.none() | st.integers()),
    max_size=14,
)
entity_rows = st.lists(st.tuples(st.none() | st.integers(1, 4), hours), min_size=1, max_size=8)
ttls = st.none() | st.integers(1, 8)


def relation(connection, name, rows, ttl):
    table = pa.table(
        {
            "id": pa.array([row[0] for row in rows], pa.int64()),
            "at": pa.array([hour(row[1]) for row in rows], MOMENT),
            "known": pa.array([hour(row[2]) for row in rows], MOMENT),
            "feature": pa.array(
                [str(row[3]) if row[3] is not None else None for row in rows], pa.string()
            ),
            "filename": pa.array([""] * len(rows), pa.string()),
            "file_row_number": pa.array(range(len(rows)), pa.int64()),
        }
    )
    connection.register(name, table)
    return FeatureRelation(
        view=name,
        scan=name,
        keys=(("key", "id"),),
        event="at",
        created="known",
        features=(("feature", f"{name}_feature"),),
        ttl=timedelta(hours=ttl) if ttl else None,
    )


@given(entity_rows, feature_rows, feature_rows, ttls, st.booleans())
@settings(max_examples=120, deadline=None)
def test_the_join_equals_the_oracle(entities, first, second, ttl, only_known):
    connection = database.connect_memory()
    spine = Spine(
        pa.array([hour(at) for _, at in entities], MOMENT),
        {"key": pa.array([key for key, _ in entities], pa.int64())},
    )
    relations = [relation(connection, "one", first, ttl), relation(connection, "two", second, None)]
    got = join_as_of(connection, spine, relations, only_known=only_known)
    slices = list(stream_as_of(connection, spine, relations, only_known=only_known, step=3))
    connection.close()
    assert pa.concat_tables(slices) == got
    assert len(slices) == -(-len(entities) // 3)
    for name, rows, life in (("one", first, ttl), ("two", second, None)):
        expected = oracle(
            [(key, hour(at)) for key, at in entities],
            [(k, hour(e), hour(c), None if f is None else str(f)) for k, e, c, f in rows],
            timedelta(hours=life) if life else None,
            only_known,
        )
        assert got[f"{name}_feature"].to_pylist() == expected


def test_keys_of_another_integer_type_match_and_text_keys_are_refused():
    connection = database.connect_memory()
    made = relation(connection, "one", [(1, 0, None, 5)], None)
    when = pa.array([hour(1)], MOMENT)
    small = Spine(when, {"key": pa.array([1], pa.int16())})
    assert join_as_of(connection, small, [made])["one_feature"].to_pylist() == ["5"]
    words = Spine(when, {"key": pa.array(["one"])})
    with pytest.raises(EmbfeastError, match=r"view 'one': key 'key': row 0: 'one' .*whole number"):
        join_as_of(connection, words, [made])
    with pytest.raises(EmbfeastError, match="no key column 'key'"):
        join_as_of(connection, Spine(when, {}), [made])
