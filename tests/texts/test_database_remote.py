"""Texts on an S3 server: the rows of the same files here, one clear error for what goes wrong."""

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from embfeast import EmbfeastError
from embfeast.plugin import DuckDBSource
from embfeast.storage import Folder, files_below, open_to_write, read_bytes, write_bytes
from embfeast.texts.database import keep_inside, let_read, open_text_database
from embfeast.texts.opened import Columns, OpenedTexts
from tests.object_storage import HUSH
from tests.small_repository import day

pytestmark = pytest.mark.slow
COLUMNS = Columns(["ticket_id"], "written_at", None, ["body"])


def write(folder: str) -> None:
    """Write a file, a folder in partitions and a Delta table, of which a row was deleted."""
    numbers = range(40)
    tickets = pa.table(
        {
            "ticket_id": list(numbers),
            "lang": ["en" if number % 2 else "de" for number in numbers],
            "body": [f"text {number}" for number in numbers],
            "written_at": pa.array([day(n) for n in numbers], pa.timestamp("us", tz="UTC")),
        }
    )
    places = {f"{folder}/one.parquet": tickets}
    for lang in ("de", "en"):
        rows = tickets.filter(pa.compute.equal(tickets["lang"], lang)).drop("lang")
        places[f"{folder}/parts/lang={lang}/a.parquet"] = rows
    for place, rows in places.items():
        content = pa.BufferOutputStream()
        pq.write_table(rows, content)
        write_bytes(place, content.getvalue().to_pybytes())
    write_deltalake(f"{folder}/delta", tickets, partition_by=["lang"], mode="overwrite")
    DeltaTable(f"{folder}/delta").delete("ticket_id = 7")


@pytest.fixture(scope="module")
def texts(bucket):
    write(f"{bucket}/texts")
    return f"{bucket}/texts"


def read(place: str, table: str, *period) -> list[dict]:
    with open_text_database(Folder(place), table) as connection:
        opened = OpenedTexts(connection, table, COLUMNS, table)
        return [row for rows in opened.read(*period) for row in rows.to_pylist()]


@pytest.mark.parametrize("table", ["one", "parts", "delta"])
def test_a_table_in_a_bucket_has_the_rows_that_it_has_here(texts, tmp_path, table):
    for lang in ("de", "en"):
        (tmp_path / "parts" / f"lang={lang}").mkdir(parents=True)
    write(str(tmp_path))
    for period in ((), (day(3), day(9))):
        assert read(texts, table, *period) == read(str(tmp_path), table, *period)
    assert len(read(texts, table)) == (39 if table == "delta" else 40)


def test_of_a_folder_only_the_tables_that_are_named_are_opened(texts, bucket):
    write_bytes(f"{bucket}/mixed/bad.parquet", b"no Parquet")
    write_bytes(f"{bucket}/mixed/good.parquet", read_bytes(f"{texts}/one.parquet"))
    assert len(read(f"{bucket}/mixed", "good")) == 40
    with pytest.raises(EmbfeastError, match=r"cannot be opened: .*bad\.parquet"):
        read(f"{bucket}/mixed", "bad")
    with pytest.raises(EmbfeastError, match=r"there is no table 'other'.*the database has delta, "):
        read(texts, "other")


def test_a_query_of_somebody_elses_stays_inside_the_bucket(texts, bucket):
    write_bytes(f"{bucket}/texts2/one.parquet", read_bytes(f"{texts}/one.parquet"))
    with open_text_database(Folder(texts), "one, parts, delta") as connection:
        keep_inside(connection)
        for table in ("one", "parts", "delta"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] >= 39
        with pytest.raises(duckdb.PermissionException):
            connection.execute(f"FROM read_parquet('{bucket}/texts2/one.parquet')")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("s3://no-such-bucket/texts", "the bucket does not exist; correct its name"),
        ("s3://features/nothing", "is a folder without Parquet files"),
        ("s3://features/texts/delta", "is itself a Delta table; give the folder above it"),
    ],
)
def test_a_place_without_texts_is_named_without_a_secret(texts, place, message):
    with pytest.raises(EmbfeastError, match=f"text database {place}.*{message}") as raised:
        read(place, "one")
    assert HUSH not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "SignatureDoesNotMatch", "the secret key is wrong; see AWS_SECRET_ACCESS_KEY"),
        (403, "InvalidAccessKeyId", "the access key is unknown; see AWS_ACCESS_KEY_ID"),
        (301, "PermanentRedirect", "the bucket is in another region; see AWS_REGION"),
    ],
)
def test_wrong_keys_and_another_region_are_one_clear_error(answering, status, code, message):
    answering(status, code)
    with pytest.raises(EmbfeastError, match=f"cannot be opened: {message}") as raised:
        read("s3://features/texts", "one")
    assert HUSH not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("table", ["one", "parts", "delta"])
def test_objects_that_are_cut_short_or_gone_while_they_are_read_are_one_clear_error(bucket, table):
    place = f"{bucket}/hurt_{table}"
    write(place)
    hurt = [one for one in files_below(Folder(place)) if table in one and one.endswith("parquet")]
    with open_text_database(Folder(place), table) as connection:
        opened = OpenedTexts(connection, "source 'x'", COLUMNS, table)
        for one in hurt:
            write_bytes(one, read_bytes(one)[:100])
        with pytest.raises(EmbfeastError, match=r"^source 'x': ") as raised:
            list(opened.read())
    assert "\n" not in str(raised.value)
    assert HUSH not in str(raised.value)


def test_a_server_that_is_away_or_goes_away_is_named(texts, monkeypatch):
    with open_text_database(Folder(texts), "one") as connection:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with pytest.raises(EmbfeastError, match="its server does not answer"):
            list(OpenedTexts(connection, "source 'x'", COLUMNS, "one").read())
    with pytest.raises(EmbfeastError, match="cannot be opened: its server does not answer"):
        read(texts, "one")


def test_keys_in_a_sources_database_are_refused_and_not_repeated():
    with pytest.raises(EmbfeastError, match="must not hold user or keys") as raised:
        DuckDBSource(
            name="reviews",
            database=f"s3://someone:{HUSH}@bucket/texts",
            table="reviews",
            text_columns="body",
            timestamp_field="written_at",
        )
    assert HUSH not in str(raised.value)


def test_threads_that_read_one_remote_file_at_once_read_their_own_places(bucket):
    numbers = np.arange(100_000)
    table = pa.table({"number": numbers, "text": [f"text {number}" for number in numbers]})
    with open_to_write(f"{bucket}/read/a.parquet") as file:
        pq.write_table(table, file, row_group_size=4_000)
    with duckdb.connect(config={"threads": 4}) as connection:
        let_read(connection, Folder(bucket))
        for _ in range(5):
            found = connection.execute(
                f"SELECT count(*), sum(number), count(DISTINCT text) "
                f"FROM read_parquet('{bucket}/read/a.parquet') "
                "WHERE number >= 50_000 AND text LIKE '%7'"
            ).fetchone()
            wanted = numbers[(numbers >= 50_000) & (numbers % 10 == 7)]
            assert found == (len(wanted), int(wanted.sum()), len(wanted))
