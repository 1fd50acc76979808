"""Delta tables of others as texts: what the log says is there, and nothing else."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, convert_to_deltalake, write_deltalake

from embfeast import EmbfeastError
from embfeast.storage import Folder
from embfeast.texts.database import open_text_database
from embfeast.texts.delta import open_delta
from embfeast.texts.opened import Columns, OpenedTexts
from tests.small_repository import day

MOMENT = pa.timestamp("us", tz="UTC")


def tickets(first: int, count: int, lang: str | None = "en") -> pa.Table:
    numbers = range(first, first + count)
    return pa.table(
        {
            "ticket_id": pa.array(numbers, pa.int64()),
            "lang": pa.array([lang] * count, pa.string()),
            "body": [f"text {number}" for number in numbers],
            "written_at": pa.array([day(number) for number in numbers], MOMENT),
        }
    )


@pytest.fixture
def table(tmp_path):
    """Ten files, one a day, in two partitions; the database is the folder above it."""
    folder = tmp_path / "tickets"
    for number in range(10):
        lang = "en" if number % 2 else "null"
        write_deltalake(folder, tickets(number, 1, lang), mode="append", partition_by=["lang"])
    return folder


def ids(folder: Path, where: str = "true") -> list[int]:
    with open_text_database(folder.parent) as texts:
        sql = f"SELECT ticket_id FROM tickets WHERE {where} ORDER BY ALL"
        return [row[0] for row in texts.execute(sql).fetchall()]


def rewrite_log(folder: Path, name: str, **values: object) -> None:
    """Let another program have written the table's protocol or metadata."""
    log = min((folder / "_delta_log").glob("*.json"))
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        action.get(name, {}).update(values)
    log.write_text("\n".join(map(json.dumps, actions)))


def test_rows_that_were_deleted_and_files_that_were_replaced_are_not_read(table):
    assert ids(table) == list(range(10))
    delta = DeltaTable(table)
    delta.delete("ticket_id in (3, 4)")
    delta.optimize.compact()
    assert len(list(table.rglob("*.parquet"))) > len(delta.file_uris())
    assert ids(table) == [0, 1, 2, *range(5, 10)]


def test_partitions_have_the_values_and_types_of_the_log_not_of_the_folders_names(table):
    write_deltalake(table, tickets(10, 1, None), mode="append")
    write_deltalake(table, tickets(11, 1, "a b/%20"), mode="append")
    with open_text_database(table.parent) as texts:
        found = dict(texts.execute("SELECT lang, count(*) FROM tickets GROUP BY ALL").fetchall())
    assert found == {"en": 5, "null": 5, None: 1, "a b/%20": 1}


def test_files_of_other_periods_and_partitions_are_not_opened(table):
    for file in DeltaTable(table).file_uris():
        if "lang=null" in file:
            Path(file).write_bytes(b"nothing that can be read")
    assert ids(table, "lang = 'en'") == [1, 3, 5, 7, 9]
    with open_text_database(table.parent) as texts, pytest.raises(duckdb.Error):
        texts.execute("SELECT body FROM tickets").fetchall()
    columns = Columns(["ticket_id"], "written_at", None, ["body"])
    with open_text_database(table.parent) as texts:
        opened = OpenedTexts(texts, "tickets", columns, "tickets")
        assert [len(rows) for rows in opened.read(day(2.5), day(3.5))] == [1]
        with pytest.raises(EmbfeastError, match=r"^tickets: ") as raised:
            list(opened.read(day(2.5)))
    assert "\n" not in str(raised.value)


def test_a_file_without_a_column_that_came_later_has_nulls(table):
    more = tickets(10, 1).append_column("title", pa.array(["late"]))
    write_deltalake(table, more, mode="append", schema_mode="merge")
    assert ids(table, "title IS NULL") == list(range(10))
    assert ids(table, "title = 'late'") == [10]


def test_a_table_that_lost_all_rows_has_its_columns(table):
    DeltaTable(table).delete()
    with open_text_database(table.parent) as texts:
        assert texts.execute("SELECT count(*), count(body) FROM tickets").fetchall() == [(0, 0)]


def test_times_as_spark_writes_them_are_read_beyond_the_year_2262(tmp_path):
    folder = tmp_path / "tickets"
    folder.mkdir()
    far = pa.table(
        {"ticket_id": [1], "written_at": pa.array([datetime(2573, 1, 1, tzinfo=UTC)], MOMENT)}
    )
    pq.write_table(far, folder / "a.parquet", use_deprecated_int96_timestamps=True)
    convert_to_deltalake(folder)
    with open_text_database(tmp_path) as texts:
        found = texts.execute("SELECT year(written_at) FROM tickets").fetchall()
    assert found == [(2573,)]


def test_maximal_times_that_are_cut_to_milliseconds_hide_no_row(tmp_path):
    folder = tmp_path / "tickets"
    moment = day(0) + timedelta(microseconds=123_456)
    rows = tickets(0, 1).set_column(3, "written_at", pa.array([moment], MOMENT))
    write_deltalake(folder, rows)
    log = next((folder / "_delta_log").glob("*.json"))
    log.write_text(log.read_text().replace(".123456Z", ".123Z"))
    assert ids(folder, "written_at >= '2026-03-01 00:00:00.123456+00'") == [0]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (["deletionVectors"], "it uses deletionVectors; in Spark: ALTER TABLE ... DROP FEATURE"),
        (["columnMapping"], "it uses columnMapping; in Spark: ALTER TABLE"),
        (["fancy"], "Feature 'fancy' is not known here; write the table as plain Parquet"),
    ],
)
def test_a_table_whose_files_do_not_say_its_rows_is_refused_by_what_it_uses(
    table, features, message
):
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7}
    rewrite_log(table, "protocol", **protocol, readerFeatures=features, writerFeatures=features)
    with pytest.raises(EmbfeastError, match=message) as raised:
        open_delta(Folder(str(table)))
    assert "\n" not in str(raised.value)


def test_columns_under_other_names_of_an_older_protocol_are_refused(tmp_path):
    write_deltalake(tmp_path, pa.table({"ticket_id": [1]}))
    names = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "col-1"}
    field = {"name": "ticket_id", "type": "long", "nullable": True, "metadata": names}
    schema = json.dumps({"type": "struct", "fields": [field]})
    mode = {"delta.columnMapping.mode": "name"}
    rewrite_log(tmp_path, "protocol", minReaderVersion=2, minWriterVersion=5)
    rewrite_log(tmp_path, "metaData", schemaString=schema, configuration=mode)
    with pytest.raises(EmbfeastError, match="it uses columnMapping"):
        open_delta(Folder(str(tmp_path)))


def test_a_log_that_is_damaged_or_a_path_that_is_misread_is_named(table):
    with pytest.raises(EmbfeastError, match="% before two digits; rename"):
        open_delta(Folder(f"{table}%20"))
    with (
        pytest.raises(EmbfeastError, match=r"itself a Delta table; .* 'tickets' as table"),
        open_text_database(table),
    ):
        pass
    min((table / "_delta_log").glob("*.json")).write_text("{")
    with pytest.raises(EmbfeastError, match=f"Delta table {table} cannot be read: ") as raised:
        open_delta(Folder(str(table)))
    assert "\n" not in str(raised.value)
