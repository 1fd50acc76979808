import datetime
from datetime import UTC, timedelta

import duckdb
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from embfeast import EmbfeastError
from embfeast.texts.postgres import TYPES, copy_postgres
from tests.services import POSTGRES, free_port, postgres_database

pytestmark = pytest.mark.slow

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def server():
    with postgres_database() as name:
        connection = make_conninfo(dbname=name, **POSTGRES)
        with psycopg.connect(connection, autocommit=True) as source:
            source.execute("CREATE TABLE reviews (id int8, body text, known timestamptz)")
            yield source, connection


def add(source, *rows):
    with source.cursor() as cursor:
        cursor.executemany("INSERT INTO reviews VALUES (%s, %s, %s)", rows)


def stored(path):
    with duckdb.connect(str(path), read_only=True) as database:
        database.execute("SET TimeZone = 'UTC'")
        return database.execute("SELECT id, body FROM reviews ORDER BY id, body").fetchall()


def test_all_rows_come_over_in_batches_with_their_types(server, tmp_path):
    source, connection = server
    texts = [(i, None if i == 3 else f"“text” {i} 100% \\ '\"\n", NOON) for i in range(25)]
    add(source, *texts)
    path = tmp_path / "new" / "texts.duckdb"
    query = "SELECT * FROM reviews WHERE body IS NULL OR body LIKE '%text%';"
    assert copy_postgres(query, path, "reviews", connection=connection, batch_rows=10) == 25
    assert stored(path) == [row[:2] for row in texts]
    assert copy_postgres(query, path, "reviews", connection=connection) == 25
    assert len(stored(path)) == 25, "a second copy replaces the first"


def test_a_later_copy_brings_what_is_new_and_nothing_twice(server, tmp_path):
    source, connection = server
    path = tmp_path / "texts.duckdb"
    query = "SELECT * FROM reviews WHERE body LIKE 't%'"

    def copy(**more):
        return copy_postgres(
            query, path, "reviews", connection=connection, newer_by="known", **more
        )

    add(source, (1, "t one", NOON), (2, "t two", NOON + timedelta(hours=1)))
    assert copy() == 2
    add(source, (3, "t same moment", NOON + timedelta(hours=1)), (4, "t next", NOON + timedelta(2)))
    assert copy() == 3
    assert [row[0] for row in stored(path)] == [1, 2, 3, 4]
    add(source, (5, "t seen late", NOON + timedelta(1)))
    assert copy() == 1
    assert len(stored(path)) == 4
    copy(overlap=timedelta(days=1))
    assert [row[0] for row in stored(path)] == [1, 2, 3, 4, 5]


def test_a_copy_that_fails_leaves_the_file_as_it_was(server, tmp_path):
    source, connection = server
    path = tmp_path / "texts.duckdb"
    add(source, *[(i, "text", NOON) for i in range(30)])
    copy_postgres("SELECT * FROM reviews", path, "reviews", connection=connection)
    before = stored(path)
    failing = "SELECT id, (10 / (25 - id))::text AS body, known FROM reviews"
    with pytest.raises(EmbfeastError, match="division by zero"):
        copy_postgres(failing, path, "reviews", connection=connection, batch_rows=10)
    assert stored(path) == before


def test_an_empty_query_makes_the_table(server, tmp_path):
    path = tmp_path / "texts.duckdb"
    assert copy_postgres("SELECT * FROM reviews", path, "reviews", connection=server[1]) == 0
    assert stored(path) == []


def test_every_type_listed_comes_over(server, tmp_path):
    columns = ", ".join(f"NULL::{name} AS a_{name}" for name in TYPES)
    path = tmp_path / "texts.duckdb"
    assert copy_postgres(f"SELECT {columns}", path, "reviews", connection=server[1]) == 1


def test_a_type_without_a_counterpart_is_named(server, tmp_path):
    with pytest.raises(EmbfeastError, match=r"'body' is jsonb; cast it in the query, .*body::text"):
        copy_postgres(
            "SELECT '{}'::jsonb AS body", tmp_path / "t.duckdb", "t", connection=server[1]
        )


def test_a_server_that_is_down_is_named_without_the_password(tmp_path):
    secret = "correct-horse"  # pragma: allowlist secret
    connection = f"host=127.0.0.1 port={free_port()} user=u password={secret} dbname=d"
    with pytest.raises(EmbfeastError, match=r"PostgreSQL 127.0.0.1/\d+/d: .*refused") as caught:
        copy_postgres("SELECT 1 AS id", tmp_path / "t.duckdb", "t", connection=connection)
    assert secret not in str(caught.value)


def test_a_writer_that_cannot_open_the_file_is_told(server, tmp_path):
    (tmp_path / "t.duckdb").write_text("no database")
    with pytest.raises(EmbfeastError, match="cannot be written"):
        copy_postgres("SELECT 1 AS id", tmp_path / "t.duckdb", "t", connection=server[1])
