import re
from datetime import UTC, datetime

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.texts.column_types import base_type
from embfeast.texts.opened import Columns, OpenedTable, OpenedTexts

COLUMNS = Columns(["id"], "event", "known", ["body"])
ROW = "({id}, {body!r}, TIMESTAMPTZ '2026-03-0{at} 00:00Z', TIMESTAMPTZ '2026-03-0{known} 00:00Z')"


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE t (id INT, body VARCHAR, event TIMESTAMPTZ, known TIMESTAMPTZ)"
        )
        yield connection


def write(connection, *rows):
    for number, (at, known) in enumerate(rows):
        values = ROW.format(id=number, body=f"text {number}", at=at, known=known)
        connection.execute(f"INSERT INTO t VALUES {values}")


def test_one_connection_tells_types_count_period_and_rows(connection):
    write(connection, (1, 1), (2, 5), (3, 3))
    texts = OpenedTexts(connection, "texts", COLUMNS, "t")
    assert texts.types["body"] == "VARCHAR"
    texts.check_rows()
    assert texts.period() == (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))
    late = datetime(2026, 3, 4, tzinfo=UTC)
    assert texts.count(late) == 1, "what became known later is not lost"
    assert [chunk["id"].to_pylist() for chunk in texts.read(late)] == [[1]]
    assert texts.count(end=datetime(2026, 3, 2, tzinfo=UTC)) == 2


def test_an_empty_table_has_no_period(connection):
    assert OpenedTexts(connection, "texts", COLUMNS, "t").period() is None


@settings(deadline=None)  # opening a database takes as long as it takes
@given(rows=st.integers(0, 40), sample=st.integers(0, 50), seed=st.integers(0, 9))
def test_a_sample_has_the_rows_asked_for_and_all_rows_are_shown(rows, sample, seed):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = (
            "SELECT i AS id, 'x' AS body, TIMESTAMPTZ '2026-03-01' + to_days(i::INT) AS event, "
            f"event AS known FROM range({rows}) r(i)"
        )
        texts = OpenedTexts(connection, "texts", COLUMNS, query=query)
        shown = list(texts.read_sampled(sample, seed))
        assert sum(chunk.num_rows for chunk, _ in shown) == rows
        chosen = [int(i) for chunk, own in shown for i in chunk["id"].take(own).to_pylist()]
        assert len(set(chosen)) == len(chosen) == min(rows, sample)


def test_rows_that_no_feature_row_could_stand_for_are_refused(connection):
    connection.execute("INSERT INTO t VALUES (NULL, 'a', now(), now())")
    with pytest.raises(EmbfeastError, match="1 rows have no 'id'; give them one"):
        OpenedTexts(connection, "texts", COLUMNS, "t").check_rows()
    connection.execute("DELETE FROM t")
    connection.execute("INSERT INTO t SELECT 1, 'a', '2026-03-01', '2026-03-01' FROM range(2)")
    with pytest.raises(EmbfeastError, match=r"2 rows have the same key and time \(id=1, event"):
        OpenedTexts(connection, "texts", COLUMNS, "t").check_rows()


@pytest.mark.parametrize(
    "value",
    ["now()", "TIME '10:00'", "INTERVAL 1 DAY", "[1]", "{'a': 1}", "'a'::BLOB", "1::UHUGEINT"],
)
def test_a_key_of_several_texts_is_refused_and_its_cast_is_one(connection, value):
    query = f"SELECT {value} AS id, * EXCLUDE (id) FROM t"
    with pytest.raises(EmbfeastError, match=r"key column 'id' is .* in several ways") as caught:
        OpenedTexts(connection, "texts", COLUMNS, query=query)
    cast = re.search(r"CAST.* AS \"id\"", caught.value.mend)[0]
    OpenedTexts(connection, "texts", COLUMNS, query=f"SELECT * REPLACE ({cast}) FROM ({query})")


@pytest.mark.parametrize(
    "end", ["; -- c", " -- c;", ";;", "; /* c ; */ ;", " WHERE ';' > '' -- ';"]
)
def test_a_query_may_end_in_semicolons_and_comments(connection, end):
    assert OpenedTexts(connection, "texts", COLUMNS, query=f"SELECT * FROM t{end}").count() == 0


@pytest.mark.parametrize("time", ["0001-06-01", "0044-03-15 (BC)", "infinity", "10000-01-01"])
def test_times_that_feast_cannot_hold_are_named(connection, time):
    connection.execute(f"INSERT INTO t VALUES (1, 'a', '{time}', now())")
    with pytest.raises(EmbfeastError, match=r"texts: 'event' has the time .* years 2 to 9999"):
        OpenedTexts(connection, "texts", COLUMNS, "t").check_rows()


def test_a_missing_table_and_a_wrong_query_are_told_apart(connection):
    with pytest.raises(EmbfeastError, match=r"no table 'tt' \(did you mean 't'\?\).* has t"):
        OpenedTable(connection, "texts", "tt")
    with pytest.raises(EmbfeastError, match="texts: Catalog Error") as caught:
        OpenedTable(connection, "texts", query="SELECT * FROM tt")
    assert caught.value.mend == ""


@pytest.mark.parametrize(
    ("kind", "base"),
    [("ENUM('a[1]', 'b')", "ENUM"), ("TIMESTAMP_NS", "TIMESTAMP"), ("VARCHAR[]", "VARCHAR[]")],
)
def test_types_lose_their_widths(kind, base):
    assert base_type(kind) == base
