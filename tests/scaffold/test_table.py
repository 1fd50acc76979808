import duckdb
import pytest

from embfeast import EmbfeastError
from embfeast.scaffold.table import TextTable, open_table


@pytest.fixture
def table():
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT i AS id, CASE WHEN i < 4 THEN 'note ' || i END AS body, "
            "i::VARCHAR AS number, '2026-01-0' || (1 + i) AS day, [i] AS list FROM range(6) r(i)"
        )
        yield TextTable(connection, "table 't'", "t")


def test_columns_are_counted_and_texts_that_are_something_else_are_told(table):
    assert table.rows == 6
    assert table.columns["body"].nulls == 2
    assert table.columns["body"].length == 6
    assert table.columns["number"].reads_as == "number"
    assert table.columns["day"].reads_as == "time"
    assert table.columns["list"].distinct is None


def test_a_row_that_comes_twice_is_found(table):
    assert table.duplicate(["id"]) is None
    assert table.duplicate(["body"]) == (None, 2)


def test_an_advised_query_is_quoted_for_a_shell(table):
    assert table.as_query("*", '"id" > 1') == '--query \'SELECT * FROM "t" WHERE "id" > 1\''


def test_of_several_tables_one_must_be_named(tmp_path):
    with duckdb.connect(str(tmp_path / "d.duckdb")) as connection:
        connection.execute("CREATE TABLE a (x INT); CREATE TABLE b (x INT)")
    with (
        pytest.raises(EmbfeastError, match="name the table with --table; it has a, b"),
        open_table(tmp_path / "d.duckdb", None, None),
    ):
        pass
