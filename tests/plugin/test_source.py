import warnings
from pathlib import Path

import duckdb
import pytest
from feast.value_type import ValueType

from embfeast import EmbfeastError
from embfeast.plugin import DuckDBSource
from embfeast.plugin.source import feast_type
from tests.small_repository import day


def source(**changes):
    settings = {
        "name": "s",
        "database": "texts.duckdb",
        "table": "t",
        "text_columns": ["body"],
        "timestamp_field": "at",
    }
    return DuckDBSource(**(settings | changes))


@pytest.fixture
def folder(tmp_path):
    with duckdb.connect(str(tmp_path / "texts.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE t AS SELECT i AS id, 'text ' || i AS body, i * 2.5 AS score, "
            "TIMESTAMPTZ '2026-03-01' + to_days(i::INT) AS at, "
            "TIMESTAMP '2026-03-01' + to_days(i::INT) AS naive FROM range(10) r(i)"
        )
        connection.execute('CREATE TABLE "odd ""name" AS SELECT *, body AS "größe x" FROM t')
    return tmp_path


def read(source, folder, **options):
    with source.open(folder, ["id"]) as opened:
        return list(opened.read(**options))


class Config:
    def __init__(self, path: Path) -> None:
        self.repo_path = path
        self.batch_engine_config = {"type": "embfeast.plugin.EmbeddingComputeEngine"}


def test_rows_of_a_period_come_in_order_with_both_ends(folder):
    chunks = read(source(), folder, start=day(2), end=day(7), batch_rows=4)
    assert [chunk.num_rows for chunk in chunks] == [4, 2]
    assert [i for chunk in chunks for i in chunk["id"].to_pylist()] == [2, 3, 4, 5, 6, 7]
    assert str(chunks[0]["at"].type) == "timestamp[us, tz=UTC]"
    with source().open(folder) as opened:
        assert opened.count(day(2), day(7)) == 6
        assert opened.period() == (day(0), day(9))


def test_long_texts_come_fewer_at_a_time_and_none_is_lost(folder):
    chunks = read(source(), folder, batch_characters=13)
    assert [chunk.num_rows for chunk in chunks] == [2, 2, 2, 2, 2]
    alone = read(source(), folder, batch_characters=1)
    assert [i for chunk in alone for i in chunk["id"].to_pylist()] == list(range(10))


def test_texts_of_an_enum_are_read(folder):
    with duckdb.connect(str(folder / "texts.duckdb")) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('sad', 'glad')")
        connection.execute(
            "CREATE TABLE felt AS SELECT *, (['sad', 'glad'])[1 + id % 2]::mood AS mood FROM t"
        )
    both = source(table="felt", text_columns=["body", "mood"])
    rows = read(both, folder, batch_characters=100)[0]
    assert rows["mood"].to_pylist()[:3] == ["sad", "glad", "sad"]


def test_a_query_and_odd_names_work_too(folder):
    query = "SELECT id, upper(body) AS body, t.at FROM t WHERE id < 3;"
    rows = read(source(table=None, query=query), folder)[0]
    assert rows["body"].to_pylist() == ["TEXT 0", "TEXT 1", "TEXT 2"]
    odd = source(table='odd "name', text_columns="größe x")
    assert read(odd, folder)[0]["größe x"][0].as_py() == "text 0"


def test_naive_times_are_taken_as_utc_and_this_is_said_once(folder):
    naive = source(name="said", timestamp_field="naive")
    with pytest.warns(UserWarning, match="'naive' has no time zone .* taken as UTC"):
        rows = read(naive, folder)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        naive.validate(Config(folder))
    assert rows["naive"].to_pylist() == read(source(), folder)[0]["at"].to_pylist()


def test_naive_times_that_a_tag_calls_utc_are_not_warned_of(folder):
    tagged = source(name="known", timestamp_field="naive", tags={"embfeast.times": "UTC"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = read(tagged, folder)[0]
    assert rows["naive"].to_pylist() == read(source(), folder)[0]["at"].to_pylist()


def test_a_time_in_nanoseconds_that_has_a_zone_is_not_said_to_lack_it(folder):
    query = 'SELECT * REPLACE ("at"::TIMESTAMPTZ_NS AS "at") FROM t'
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = read(source(name="exact", table=None, query=query), folder)[0]
    assert rows.equals(read(source(), folder)[0])


def test_the_registry_keeps_everything(folder):
    made = source(created_timestamp_column="known", owner="me", tags={"a": "b"}, description="d")
    again = DuckDBSource.from_proto(made.to_proto())
    assert again == made
    assert hash(again) == hash(made)
    for change in ({"database": "other"}, {"table": "u"}, {"text_columns": ["body", "title"]}):
        assert source(**change) != source()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"database": "nowhere.duckdb"}, "nowhere.duckdb does not exist"),
        ({"table": "tt"}, r"no table 'tt' \(did you mean 't'\?\)"),
        (
            {"text_columns": ["bodi"]},
            r"no column 'bodi' \(did you mean 'body'\?\); it has id, body",
        ),
        ({"text_columns": ["score"]}, "text column 'score' is DECIMAL.*not text"),
        ({"timestamp_field": "score"}, "time column 'score' is DECIMAL"),
        ({"table": None, "query": "SELECT id FROM"}, "query: Parser Error"),
        ({"table": None, "query": "DROP TABLE t"}, "must be one SELECT"),
        ({"table": None, "query": "SELECT 1; SELECT 2"}, "must be one SELECT"),
        ({"query": "SELECT 1"}, "either table or query"),
        ({"text_columns": []}, "give text_columns"),
    ],
)
def test_what_is_wrong_with_a_source_is_said(folder, changes, message):
    with pytest.raises(EmbfeastError, match=message):
        source(**changes).validate(Config(folder))


def test_a_file_that_is_no_database_and_a_writer_are_told_apart(folder):
    (folder / "no.duckdb").write_bytes(b"not a database" * 500)
    with pytest.raises(EmbfeastError, match="not a DuckDB database"):
        source(database="no.duckdb").validate(Config(folder))
    with (
        duckdb.connect(str(folder / "texts.duckdb")),
        pytest.raises(EmbfeastError, match="close the writer"),
    ):
        source().validate(Config(folder))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("BIGINT", ValueType.INT64),
        ("TIMESTAMP WITH TIME ZONE", ValueType.UNIX_TIMESTAMP),
        ("TIMESTAMP_NS", ValueType.UNIX_TIMESTAMP),
        ("ENUM('a', 'b')", ValueType.STRING),
        ("VARCHAR[]", ValueType.STRING_LIST),
        ("STRUCT(a INTEGER)", ValueType.UNKNOWN),
    ],
)
def test_types_become_feasts(kind, expected):
    assert feast_type(kind) is expected


@pytest.mark.parametrize("kind", ["TIMESTAMP_NS", "TIMESTAMP_S", "TIMESTAMPTZ_NS", "DATE"])
def test_times_of_every_unit_are_times_to_feast(kind):
    assert feast_type(kind).name == "UNIX_TIMESTAMP"


def test_a_database_can_be_opened_again_where_a_reader_was_left_in_the_middle(tmp_path):
    with duckdb.connect(str(tmp_path / "texts.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE x AS SELECT i AS id, 'a text' AS body, "
            "TIMESTAMPTZ '2026-01-01' + to_seconds(i) AS t FROM range(20000) r(i)"
        )
    source = DuckDBSource(
        name="x", database="texts.duckdb", table="x", text_columns="body", timestamp_field="t",
        key_columns="id",
    )  # fmt: skip
    with source.open(tmp_path) as texts:
        left = texts.read(batch_rows=100)
        assert next(left).num_rows == 100
    with source.open(tmp_path) as texts:  # DuckDB would wait for the reader without end
        assert texts.count() == 20_000
    assert list(left) == []
