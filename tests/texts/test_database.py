import multiprocessing

import duckdb
import pandas as pd
import pytest

from embfeast import EmbfeastError
from embfeast.recipe.versions import load_current
from embfeast.texts import database
from tests.small_repository import Repo, day


def test_connections_share_no_temporary_tables():
    one, other = database.connect_memory(), database.connect_memory()
    one.execute("CREATE TEMP TABLE t AS SELECT 1 AS x")
    other.execute("CREATE TEMP TABLE t AS SELECT 2 AS x")
    assert one.execute("SELECT x FROM t").fetchall() == [(1,)]
    assert other.execute("SELECT x FROM t").fetchall() == [(2,)]
    one.close()
    assert other.execute("SELECT x FROM t").fetchall() == [(2,)]
    other.close()


def _count(send):
    connection = database.connect_memory()
    send.send(connection.execute("SELECT count(*) FROM range(1000000)").fetchall())
    connection.close()


def test_a_forked_process_gets_a_database_of_its_own():
    database.connect_memory().close()
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_count, args=(send,))
    process.start()
    assert receive.poll(30), "the child waits for threads that only its parent has"
    assert receive.recv() == [(1_000_000,)]
    process.join(30)
    assert process.exitcode == 0


def write_parquet(path, sql):
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({sql}) TO {database.literal(str(path))} (FORMAT PARQUET)")


def test_files_and_folders_of_parquet_are_tables(tmp_path):
    write_parquet(tmp_path / "it's" / "reviews.parquet", "SELECT 1 AS id, 'one' AS body")
    write_parquet(tmp_path / "it's" / "tickets" / "2025" / "a.parquet", "SELECT 1 AS id, 'a' AS b")
    write_parquet(tmp_path / "it's" / "tickets" / "b.parquet", "SELECT 2 AS id, 'b' AS b, 3 AS c")
    (tmp_path / "it's" / "tickets" / "half.parquet.tmp").write_text("being written")
    with database.open_text_database(tmp_path / "it's") as texts:
        assert texts.execute("FROM reviews").fetchall() == [(1, "one")]
        found = texts.execute("SELECT id, b, c FROM tickets ORDER BY id").fetchall()
        assert found == [(1, "a", None), (2, "b", 3)]


def test_a_query_of_somebody_elses_stays_inside_the_folder(tmp_path):
    write_parquet(tmp_path / "in" / "t.parquet", "SELECT 1 AS id")
    write_parquet(tmp_path / "out" / "t.parquet", "SELECT 2 AS id")
    with database.open_text_database(tmp_path / "in") as texts:
        database.keep_inside(texts)
        assert texts.execute("FROM t").fetchall() == [(1,)]
        with pytest.raises(duckdb.PermissionException):
            texts.execute(f"FROM read_parquet('{tmp_path}/out/t.parquet')")


def test_a_folder_without_readable_parquet_is_named(tmp_path):
    with (
        pytest.raises(EmbfeastError, match="without Parquet files"),
        database.open_text_database(tmp_path),
    ):
        pass
    (tmp_path / "t.parquet").write_text("no Parquet")
    with (
        pytest.raises(EmbfeastError, match=r"cannot be opened: .*t.parquet"),
        database.open_text_database(tmp_path),
    ):
        pass


def test_a_parquet_folder_gives_the_features_of_the_same_table(ready, tmp_path):
    one, store, fitted = ready
    other = Repo(tmp_path / "other")
    texts = other.path / "data" / "texts"
    texts.mkdir()
    with duckdb.connect(str(one.path / "data" / "reviews.duckdb"), read_only=True) as connection:
        connection.execute(f"COPY reviews TO '{texts}/reviews.parquet' (FORMAT PARQUET)")
    other.source.database = "data/texts"
    folder_store = other.apply(other.fit(day(8)))
    folder_store.materialize(day(-1), day(20))
    assert load_current(other.recipes).digest == fitted.digest
    assert other.lookup(folder_store, range(12)) == one.lookup(store, range(12))
    rows = "SELECT review_id, written_at AS event_timestamp FROM reviews ORDER BY ALL"
    pd.testing.assert_frame_equal(
        other.training_set(folder_store, rows), one.training_set(store, rows)
    )
