"""Tables as they are opened: any folder, any version, and every way in which one is damaged."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.tables.append import Appender
from embfeast.tables.place import LOG, Place
from embfeast.tables.table import CHECKPOINT, ConflictError, Table, ensure_table
from embfeast.tables.upkeep import compact
from tests.tables.conftest import IDENTITY, SCHEMA, add, content, ids, rows


def test_a_new_table_has_its_columns_and_no_rows(tmp_path):
    place = Place(str(tmp_path / "t"))
    assert ensure_table(place, SCHEMA, {"name": "t", "description": "what it is"})[1] is True
    table, made = ensure_table(place, SCHEMA)
    assert made is False
    assert table.schema.equals(SCHEMA)
    assert ids(table) == []


def test_other_columns_are_refused_by_name(table):
    with pytest.raises(EmbfeastError, match="vector list"):
        ensure_table(table.place, SCHEMA.remove(3))


def test_chunked_rows_are_all_written(table):
    add(table, pa.concat_tables([rows(1, 2), rows(3), rows(4, 3)]))
    assert content(table).equals(rows(1, 6).combine_chunks())


def test_the_next_writer_of_a_process_goes_on_without_reading_the_log(tmp_path, monkeypatch):
    place = Place(str(tmp_path))
    add(ensure_table(place, SCHEMA)[0], rows(1))
    add(Table.open(place), rows(2))  # as another process does
    monkeypatch.setattr("embfeast.tables.table.DeltaTable", None)
    for number in (3, 4):
        table, made = ensure_table(place, SCHEMA)
        assert made is False
        add(table, rows(number))
        assert ids(table) == list(range(1, number + 1))
        assert table.version == number
        del table


def test_a_table_that_was_removed_and_made_anew_is_not_taken_for_the_former(tmp_path):
    place = Place(str(tmp_path / "t"))
    for number in (1, 2):
        table, made = ensure_table(place, SCHEMA)
        assert made is True
        add(table, rows(number), rows(number + 10))
        assert ids(table) == [number, number + 10]
        del table
        shutil.rmtree(place.path)
    another = SCHEMA.remove(3)
    assert ensure_table(place, another)[0].schema.equals(another)


def test_no_two_writers_of_a_process_share_what_they_know(tmp_path):
    place = Place(str(tmp_path))
    add(ensure_table(place, SCHEMA)[0], rows(1))
    one, other = (ensure_table(place, SCHEMA)[0] for _ in range(2))
    add(one, rows(2))
    assert other.version == 1
    with pytest.raises(ConflictError):
        add(other, rows(3))
    add(other, rows(3))
    assert ids(other) == [1, 2, 3]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(["ours", "another's", "both", "upkeep", "anew"]), max_size=12))
def test_whoever_writes_in_turn_what_is_kept_of_a_table_is_never_out_of_date(
    tmp_path_factory, turns
):
    place = Place(str(tmp_path_factory.mktemp("table") / "t"))
    wanted: list[int] = []
    for number, turn in enumerate(["ours", *turns]):
        if turn == "anew":
            shutil.rmtree(place.path)
            wanted.clear()
        table = ensure_table(place, SCHEMA)[0]
        if turn == "upkeep":
            compact(table, kept_hours=0)
        if turn in ("another's", "both"):
            Appender(Table.open(place), IDENTITY).append(rows(2 * number))
            wanted.append(2 * number)
        if turn in ("ours", "both"):
            assert Appender(table, IDENTITY).append(rows(2 * number, 2)) == 1 + (turn == "ours")
            wanted += {2 * number, 2 * number + 1} - set(wanted)
        assert ids(table.reload()) == wanted == ids(Table.open(place))
        del table


def test_checkpoints_come_every_so_many_commits_and_old_entries_of_the_log_go_with_them(table):
    entries = table.place.path / LOG
    add(table, *map(rows, range(CHECKPOINT - 2)))
    for entry in entries.glob("*.json"):
        os.utime(entry, (0, 0))
    assert not list(entries.glob("*.checkpoint.parquet"))
    add(table, rows(100))
    assert len(list(entries.glob("*.checkpoint.parquet"))) == 1
    add(table, *map(rows, range(200, 200 + CHECKPOINT)))
    left = sorted(int(entry.stem) for entry in entries.glob("*.json"))
    assert left[0] >= CHECKPOINT - 1
    assert len(ids(Table.open(table.place))) == 2 * CHECKPOINT - 1


def test_a_file_that_was_written_and_not_added_is_not_seen(table):
    add(table, rows(1))
    pq.write_table(rows(2), table.place.file("rows-of-a-killed-run.parquet"))
    assert ids(Table.open(table.place)) == [1]


@pytest.mark.parametrize("name", ["with [brackets]*?", "it's", 'a "quote"', "größe ü 🙂", "100%"])
def test_folders_of_any_name_are_read(tmp_path, name):
    table, _ = ensure_table(Place(str(tmp_path / name)), SCHEMA)
    add(table, rows(7))
    assert ids(Table.open(table.place)) == [7]


def test_a_name_that_delta_would_read_as_another_is_refused(tmp_path):
    with pytest.raises(EmbfeastError, match="must not hold %"):
        Place(str(tmp_path / "a%20b"))


def test_an_older_version_is_read_by_number_and_by_time(table):
    add(table, rows(1), rows(2))
    for version in range(3):  # the log's files are new, as those of a copy
        log = table.place.path / LOG / f"{version:020}.json"
        said = log.read_text().splitlines()
        for number, line in enumerate(said):
            if "commitInfo" in (action := json.loads(line)):
                action["commitInfo"]["timestamp"] = (1_000 + version) * 1000
                said[number] = json.dumps(action)
        log.write_text("\n".join(said) + "\n")
    assert ids(Table.open(table.place, 1)) == [1]
    assert ids(Table.open(table.place, datetime.fromtimestamp(1_001.5, UTC))) == [1]
    assert ids(Table.open(table.place)) == [1, 2]
    with pytest.raises(EmbfeastError, match="no such version"):
        Table.open(table.place, 77)
    with pytest.raises(EmbfeastError, match=r"has no version of 1970-01-01T00:16:39.*16:40"):
        Table.open(table.place, datetime.fromtimestamp(999, UTC))


def test_a_time_before_the_log_begins_is_refused_and_no_later_version_is_taken(table):
    add(table, *map(rows, range(CHECKPOINT)))
    for version in range(5):  # as the clean-up does
        (table.place.path / LOG / f"{version:020}.json").unlink()
    with pytest.raises(EmbfeastError, match=r"has no version of 2001.*name a later time"):
        Table.open(table.place, datetime(2001, 1, 1, tzinfo=UTC))
    assert Table.open(table.place, datetime.now(UTC)).version == table.version


def damage(table, name, change):
    path = table.place.path / LOG / name
    path.write_bytes(change(path.read_bytes()))


def test_each_way_in_which_a_log_is_damaged_is_named(table):
    add(table, rows(1), rows(2))
    kept = {path: path.read_bytes() for path in (table.place.path / LOG).iterdir()}

    def broken(message):
        with pytest.raises(EmbfeastError, match=message) as raised:
            Table.open(table.place)
        assert "\n" not in str(raised.value)
        assert str(table.place) in str(raised.value)
        for path, before in kept.items():
            path.write_bytes(before)

    log = [f"{number:020}.json" for number in range(3)]
    damage(table, log[1], lambda content: content[: len(content) // 2])
    broken("its log is damaged")
    (table.place.path / LOG / log[1]).unlink()
    broken("log is missing; bring")
    damage(table, log[0], lambda b: b.replace(b'"minReaderVersion":1', b'"minReaderVersion":9'))
    broken("another program has given it a newer format")
    table.checkpoint()
    damage(table, f"{2:020}.checkpoint.parquet", lambda content: content[: len(content) // 2])
    broken("checkpoint of its log was cut short")


def test_a_place_without_a_table_is_named(tmp_path):
    with pytest.raises(EmbfeastError, match=r"there is no feature table .*; run `feast apply`"):
        Table.open(Place(str(tmp_path / "nothing")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmbfeastError, match="there is no feature table"):
        Table.open(Place(str(tmp_path / "empty")))
    (tmp_path / "gone" / LOG).mkdir(parents=True)
    pq.write_table(rows(1), tmp_path / "gone" / "rows-1.parquet")
    with pytest.raises(EmbfeastError, match="its log is gone; bring"):
        Table.open(Place(str(tmp_path / "gone")))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(EmbfeastError, match="there is no feature table"):
        Table.open(Place(str(tmp_path / "file")))
    with pytest.raises(EmbfeastError, match="cannot be written"):
        ensure_table(Place(str(tmp_path / "file" / "t")), SCHEMA)


def test_a_table_of_the_earlier_layout_is_named(tmp_path):
    pq.write_table(rows(1), tmp_path / "0123.parquet")
    with pytest.raises(EmbfeastError, match="run `embfeast upgrade`"):
        Table.open(Place(str(tmp_path)))


def test_a_file_that_cannot_be_read_is_named_with_what_to_do(table):
    add(table, rows(1), rows(2))
    broken = table.files[-1]
    os.truncate(broken, 300)
    with pytest.raises(EmbfeastError, match=f"{broken} cannot be read.*--drop-damaged"):
        ids(table)


WITHOUT_RIGHTS = """
import os, sys
from embfeast import EmbfeastError
from embfeast.tables.place import LOG, Place
from embfeast.tables.table import Table
os.setuid(65534)
try:
    Table.open(Place(sys.argv[1]))
except EmbfeastError as error:
    print(error)
"""


def test_a_table_that_this_user_may_not_read_is_said(table):
    if os.geteuid():
        pytest.skip("needs root to become another user")
    table.place.path.chmod(0o700)
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS, str(table.place)], capture_output=True, text=True
    )
    assert str(table.place) in ran.stdout, ran.stderr
    assert len(ran.stdout.splitlines()) == 1
