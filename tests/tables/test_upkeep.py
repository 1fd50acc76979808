"""Many short runs are read like a long one, and nothing is lost on the way."""

import os
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from embfeast import EmbfeastError
from embfeast.tables import files, upkeep
from embfeast.tables.append import Appender
from embfeast.tables.place import Place
from embfeast.tables.table import EMPTY, ConflictError, Table, ensure_table
from embfeast.tables.upkeep import MOST_SMALL, compact, drop_damaged, keep_up
from tests.reliability.conftest import processes
from tests.tables.conftest import IDENTITY, SCHEMA, add, content, ids, rows
from tests.tables.kills import kill_fifty_times

__all__ = ["processes"]  # a fixture


def many(table, count=MOST_SMALL, each=3):
    add(table, *(rows(each * number, each) for number in range(count)))


def names(table):
    return [path.rsplit("/", 1)[-1] for path in table.files]


def test_many_small_files_become_one_of_the_same_rows(table):
    many(table)
    before = content(table)
    assert keep_up(table) is True
    assert len(table.files) == 2
    assert EMPTY in names(table)
    assert content(table).equals(before)
    assert table.rows_of()[table.files[-1]] == 3 * MOST_SMALL


def test_few_files_and_large_ones_are_left_alone(table, monkeypatch):
    many(table, count=MOST_SMALL - 1)
    assert keep_up(table) is False
    monkeypatch.setattr(upkeep, "SIZES", ((0, 3),))
    many(table)
    assert keep_up(table) is False


def test_a_joined_file_stays_bounded_and_takes_the_oldest(table, monkeypatch):
    many(table)
    monkeypatch.setattr(upkeep, "MOST_ROWS", 60)
    keep_up(table)
    made = max(table.rows_of(), key=lambda file: table.rows_of()[file])
    assert table.read(made)["id"].to_pylist() == list(range(60))
    assert len(ids(table)) == 3 * MOST_SMALL


def test_a_row_is_rewritten_a_few_times_at_most(table, monkeypatch):
    written = []
    write = files.write_file

    def count(place, given, name=""):
        made = write(place, given, name)
        written.append(made.rows)
        return made

    monkeypatch.setattr(upkeep, "write_file", count)
    for number in range(300):
        add(table, rows(number))
        keep_up(table)
    assert sum(written) < 4 * 300
    assert len(table.files) < 2 * MOST_SMALL


def test_a_folder_of_many_short_runs_is_at_most_twice_that_of_one(tmp_path):
    made = [wide(100 * number, 100) for number in range(3 * MOST_SMALL)]
    sizes = {}
    for name, runs in {"many": made, "one": [pa.concat_tables(made)]}.items():
        place = Place(str(tmp_path / name))
        for run in runs:
            table, _ = ensure_table(place, run.schema)
            Appender(table, IDENTITY).append(run)
            keep_up(table, kept_hours=0)
        sizes[name] = sum(f.stat().st_size for f in place.path.rglob("*") if f.is_file())
    assert sizes["many"] <= 2 * sizes["one"]


def wide(first, count):
    vectors = np.random.default_rng(first).standard_normal((count, 64), dtype=np.float32)
    place = SCHEMA.get_field_index("vector")
    return rows(first, count).set_column(place, SCHEMA.field(place), pa.array(list(vectors)))


def test_replaced_files_stay_for_readers_that_listed_them_and_go_after_a_while(table):
    many(table)
    reader = Table.open(table.place)
    keep_up(table)
    assert ids(reader) == ids(table)
    compact(table, kept_hours=0)
    assert table.unread() == []
    with pytest.raises(EmbfeastError, match="cannot be read"):
        ids(reader)


def test_files_of_killed_runs_go_with_the_clean_up(table):
    left = files.write_file(table.place, rows(1))
    compact(table, kept_hours=0)
    assert table.unread() == [left.path], "a run may be about to add it"
    os.utime(left.path, (0, 0))
    compact(table, kept_hours=0)
    assert table.unread() == []


@pytest.mark.parametrize("step", ["write_file", "Table.commit"])
def test_a_stop_at_any_step_leaves_the_same_rows_and_the_next_run_mends(table, monkeypatch, step):
    many(table)
    before = content(table)

    def stop(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"embfeast.tables.upkeep.{step}", stop)
        with pytest.raises(KeyboardInterrupt):
            keep_up(table)
    assert content(Table.open(table.place)).equals(before)
    compact(table)
    assert content(table).equals(before)
    assert len(table.files) == 2


def test_the_log_names_older_versions_for_as_long_as_they_are_to_be_kept(table):
    add(table, rows(1))
    keep_up(table)
    assert table.version == 1, "a week is what a new table says"
    for _ in range(2):
        keep_up(table, kept_hours=720)
        kept = [v for name, v in table.properties.items() if name.endswith("RetentionDuration")]
        assert kept == ["interval 720 hours"] * 2
        assert table.version == 2


def test_another_writer_that_comes_first_wins_and_the_next_run_joins(table, monkeypatch):
    many(table)
    late = Table.open(table.place)
    add(table, rows(1000))
    assert keep_up(late) is False
    assert keep_up(late) is True
    assert len(ids(late)) == 3 * MOST_SMALL + 1
    assert late.unread()


def test_a_full_disk_leaves_the_table_as_it_was(table, monkeypatch):
    many(table)
    before = table.files

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_rows", full)
    with pytest.raises(EmbfeastError, match="No space left"):
        keep_up(table)
    assert Table.open(table.place).files == before
    assert table.unread() == []


def test_a_damaged_file_is_taken_out_and_its_rows_can_be_added_again(table):
    add(table, rows(1), rows(2), rows(3))
    gone, cut = table.files[1:3]
    Path(gone).unlink()
    os.truncate(cut, 300)
    assert drop_damaged(table) == [gone, cut]
    assert ids(table) == [3]
    appender = Appender(table, IDENTITY)
    assert appender.append(rows(1, 2)) == 2
    assert ids(table) == [1, 2, 3]


def test_readers_beside_it_see_every_row_once_at_every_moment(table):
    many(table, count=64)
    stop, wrong = threading.Event(), []

    def reader():
        while not stop.is_set():
            seen = ids(Table.open(table.place))
            if seen[:192] != list(range(192)) or len(set(seen)) != len(seen):
                wrong.append(seen)

    threads = [threading.Thread(target=reader) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(64, 140):
        add(table, rows(3 * number, 3))
        keep_up(table)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(ids(table)) == 420
    assert len(table.files) <= 2 * MOST_SMALL


def test_a_conflict_is_told_apart_from_a_broken_disk(table):
    late = Table.open(table.place)
    add(table, rows(1))
    with pytest.raises(ConflictError):
        add(late, rows(2))
    add(late, rows(2))
    assert ids(late) == [1, 2]


@pytest.mark.slow
def test_fifty_kills_while_it_adds_joins_and_vacuums_lose_and_repeat_nothing(tmp_path, processes):
    kill_fifty_times(lambda name: Place(str(tmp_path / str(name))), processes)
