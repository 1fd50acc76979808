"""A row is there once, whoever writes at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast.tables import append
from embfeast.tables.append import Appender, BusyError
from embfeast.tables.columns import TEXT_DIGEST
from embfeast.tables.files import write_file
from embfeast.tables.place import Place
from embfeast.tables.table import ConflictError, Table, ensure_table
from embfeast.tables.upkeep import compact
from tests.tables.conftest import IDENTITY, SCHEMA, add, content, ids, rows


def test_rows_that_another_writer_added_meanwhile_are_left_out(table):
    one, other = (Appender(Table.open(table.place), IDENTITY) for _ in range(2))
    assert one.append(rows(1, 3)) == 3
    assert other.append(rows(2, 4)) == 2
    assert one.append(rows(4, 3)) == 1
    assert content(table.reload()).equals(rows(1, 6).combine_chunks())


def test_a_commit_whose_answer_was_lost_is_not_made_twice(table, monkeypatch):
    commit, lost = Table.commit, []

    def lose_the_answer(self, *args, **options):
        commit(self, *args, **options)
        if not lost:
            lost.append(True)
            self.reload()
            raise ConflictError

    monkeypatch.setattr(Table, "commit", lose_the_answer)
    assert Appender(table, IDENTITY).append(rows(1, 3)) == 3
    assert ids(table) == [1, 2, 3]
    assert lost


def of_text(numbers: pa.Table, text: bytes) -> pa.Table:
    """Return rows of the same keys and times, of another text."""
    place = numbers.column_names.index(TEXT_DIGEST)
    return numbers.set_column(place, SCHEMA.field(place), pa.array([text] * len(numbers)))


def test_of_two_writers_that_correct_the_same_rows_each_leaves_one_row_a_key(table):
    add(table, rows(1, 5))
    one, other, same = (Appender(Table.open(table.place), IDENTITY) for _ in range(3))
    for appender in (one, other, same):
        appender.replace(rows(2, 2))
    assert one.append(of_text(rows(2, 2), b"first")) == 2
    assert other.append(of_text(rows(2, 2), b"second")) == 2
    assert same.append(of_text(rows(2, 2), b"second")) == 0
    found = content(table.reload())
    assert found["id"].to_pylist() == [1, 2, 3, 4, 5]
    assert found[TEXT_DIGEST].to_pylist() == [b"1", b"second", b"second", b"4", b"5"]


def test_no_rows_are_no_commit(table):
    appender = Appender(table, IDENTITY)
    assert appender.append(rows(1, 0)) == 0
    assert table.version == 0
    appender.append(rows(1))
    assert Appender(Table.open(table.place, 0), IDENTITY).append(rows(1)) == 0


def test_files_that_were_not_taken_are_removed(table):
    one, other = (Appender(Table.open(table.place), IDENTITY) for _ in range(2))
    one.append(rows(1, 3))
    other.append(rows(2, 4))
    assert Table.open(table.place).unread() == []


def test_where_others_always_come_first_it_is_said(table, monkeypatch):
    def too_late(*_args, **_options):
        raise ConflictError

    monkeypatch.setattr(append, "PATIENCE", 0.05)
    monkeypatch.setattr(Table, "commit", too_late)
    with pytest.raises(BusyError, match="try again"):
        Appender(table, IDENTITY).append(rows(1))


def test_many_writers_and_a_compaction_at_once_store_every_row_once(table):
    start = threading.Barrier(4)

    def write(number):
        appender = Appender(Table.open(table.place, 0), IDENTITY)
        start.wait()
        return sum(appender.append(rows(10 * i - number, 10)) for i in range(1, 12))

    def join():
        start.wait()
        for _ in range(4):
            compact(Table.open(table.place))

    with ThreadPoolExecutor(4) as pool:
        joined = pool.submit(join)
        added = sum(pool.map(write, range(3)))
        joined.result()
    assert ids(table.reload()) == list(range(8, 120))
    assert added == 112


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12), st.integers(1, 4)), max_size=8))
def test_whatever_two_writers_add_in_turn_each_row_is_there_once(tmp_path_factory, turns):
    table, _ = ensure_table(Place(str(tmp_path_factory.mktemp("table"))), SCHEMA)
    writers = [Appender(Table.open(table.place), IDENTITY) for _ in range(2)]
    for which, first, count in turns:
        writers[which].add(write_file(table.place, _still_lacking(writers[which], first, count)))
    wanted = {n for _, first, count in turns for n in range(first, first + count)}
    assert ids(table.reload()) == sorted(wanted)


def _still_lacking(writer, first, count):
    """What a run finds lacking in the version that it has opened."""
    there = set(ids(writer.table))
    made = rows(first, count)
    return made.filter([n not in there for n in made["id"].to_pylist()])
