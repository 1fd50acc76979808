from datetime import UTC, datetime
from unittest.mock import patch

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.texts import stretches as module
from embfeast.texts.opened import Columns, OpenedTexts
from embfeast.texts.stretches import read_stretch, stretches

COLUMNS = Columns(["id"], "event", "known", ["body"])
KINDS = ["TIMESTAMPTZ", "TIMESTAMP", "DATE", "TIMESTAMP_NS"]


def moment(day: int) -> datetime:
    return datetime(2026, 3, day, tzinfo=UTC)


def opened(connection, days, kind="TIMESTAMPTZ") -> OpenedTexts:
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE TABLE t (id INT, body VARCHAR, event {kind}, known TIMESTAMPTZ)")
    for number, (event, known) in enumerate(days):
        became_known = None if known is None else moment(known)
        connection.execute(
            f"INSERT INTO t VALUES ($1, $2, CAST($3::TIMESTAMPTZ AS TIMESTAMP)::{kind}, $4)",
            [number, f"text {number}", moment(event), became_known],
        )
    return OpenedTexts(connection, "texts", COLUMNS, "t")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:.*has no time zone")
@settings(deadline=None, max_examples=30)
@given(
    days=st.lists(st.tuples(st.integers(1, 4), st.none() | st.integers(1, 6)), max_size=12),
    most=st.integers(1, 5),
    start=st.none() | st.integers(1, 4),
    end=st.none() | st.integers(1, 4),
    readers=st.integers(1, 3),
)
def test_stretches_read_one_by_one_are_the_period_read_at_once(
    kind, days, most, start, end, readers
):
    with duckdb.connect() as connection:
        texts = opened(connection, days, kind)
        period = (start and moment(start), end and moment(end))
        with patch.object(module, "LEAST", 1):
            total = texts.count(*period)
            cut = list(stretches(texts, *period, most, total=total, readers=readers))
        assert all("body" not in one.rows.column_names for one in cut)
        assert all(1 <= one.rows.num_rows <= most for one in cut)
        apart = [read_stretch(texts, one) for one in reversed(cut)]
        whole = list(texts.read(*period))
    assert sum(one.num_rows for one in apart) == sum(one.num_rows for one in whole)
    if whole:
        assert pa.concat_tables(reversed(apart)).equals(pa.concat_tables(whole))


def test_for_several_readers_the_last_stretches_are_short():
    with duckdb.connect() as connection:
        texts = opened(connection, [])
        connection.execute(
            "INSERT INTO t SELECT range, 'a text', TIMESTAMPTZ '2026-03-01 00:00Z', NULL "
            "FROM range(5_000)"
        )
        for_one = [one.rows.num_rows for one in stretches(texts, None, None, 1000)]
        shared = {"total": 5_000, "readers": 2}
        for_two = [one.rows.num_rows for one in stretches(texts, None, None, 1000, **shared)]
    assert for_one == [1000] * 5
    assert sum(for_two) == 5_000
    assert for_two[0] == 1000
    # Whoever has begun on one of the last is soon done: none waits for the other's thousand.
    assert max(for_two[-2:]) <= 500
    assert min(for_two) >= module.LEAST


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM t WHERE id = 1",
        "UPDATE t SET event = '2026-03-03 00:00Z' WHERE id = 1",
        "INSERT INTO t VALUES (-1, 'earlier', '2026-03-01 00:00Z', '2026-03-01 00:00Z')",
        "DELETE FROM t",
    ],
)
def test_other_texts_than_those_it_was_cut_of_are_refused(change):
    with duckdb.connect() as connection:
        texts = opened(connection, [(1, 1), (2, 2), (4, 4)])
        (stretch,) = stretches(texts, None, None, 10)
        connection.execute(change)
        with pytest.raises(EmbfeastError, match=r"the 3 texts from 2026-03-01.* are not those"):
            read_stretch(texts, stretch)


def test_a_text_that_was_changed_in_place_is_read_as_it_is_now():
    with duckdb.connect() as connection:
        texts = opened(connection, [(1, 1)])
        (stretch,) = stretches(texts, None, None, 10)
        connection.execute("UPDATE t SET body = 'new'")
        assert read_stretch(texts, stretch)["body"].to_pylist() == ["new"]
