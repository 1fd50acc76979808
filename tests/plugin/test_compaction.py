import contextlib
import json
import os
import threading
import time

import pyarrow as pa
import pytest

from embfeast.plugin import compaction, database, parts

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("event_timestamp", pa.timestamp("us", tz="UTC")),
        ("vector", pa.list_(pa.float32())),
    ]
)


def rows(first, count):
    numbers = range(first, first + count)
    return pa.table(
        {
            "id": list(numbers),
            "event_timestamp": pa.array(numbers, SCHEMA.field("event_timestamp").type),
            "vector": [None if n % 7 == 0 else [float(n), -0.0] for n in numbers],
        },
        schema=SCHEMA,
    )


def many(folder, count=40, each=3):
    parts.ensure_table(folder, SCHEMA)
    for number in range(count):
        parts.write_part(folder, rows(each * number, each))


def read(folder):
    connection = database.connect_memory()
    try:
        scan = parts.scan_sql(folder)
        return connection.execute(f"SELECT * FROM {scan} ORDER BY id").to_arrow_table()
    finally:
        connection.close()


def test_many_small_parts_become_one_of_the_same_rows(tmp_path):
    many(tmp_path)
    before = read(tmp_path)
    made = compaction.compact(tmp_path)
    assert [part.name for part in parts.parts(tmp_path)] == sorted([parts.EMPTY, made.name])
    assert read(tmp_path).equals(before)
    assert parts.table_schema(tmp_path).equals(SCHEMA)


def test_few_parts_and_large_parts_are_left_alone(tmp_path, monkeypatch):
    many(tmp_path, count=compaction.MOST_SMALL - 1)
    assert compaction.compact(tmp_path) is None
    monkeypatch.setattr(compaction, "LARGE", 3)
    many(tmp_path)
    assert compaction.compact(tmp_path) is None


def test_one_joined_part_stays_bounded_and_takes_the_oldest_rows(tmp_path, monkeypatch):
    many(tmp_path)
    monkeypatch.setattr(compaction, "MOST_ROWS", 60)
    made = compaction.compact(tmp_path)
    assert parts.pq.read_table(made)["id"].to_pylist() == list(range(60))
    assert len(read(tmp_path)) == 120


def test_replaced_parts_stay_for_readers_that_listed_them_and_go_after_a_while(tmp_path):
    many(tmp_path)
    listed = parts.parts(tmp_path)
    made = compaction.compact(tmp_path)
    assert all(part.exists() for part in listed)
    compaction.compact(tmp_path)
    assert all(part.exists() for part in listed)
    long_ago = time.time() - 2 * compaction.GRACE
    os.utime(made, (long_ago, long_ago))
    compaction.compact(tmp_path)
    assert [part for part in listed if part.exists()] == [tmp_path / parts.EMPTY]
    assert not list(tmp_path.glob(f".*{parts.REPLACED}"))
    assert len(read(tmp_path)) == 120


@pytest.mark.parametrize("step", ["replace", "write_text", "unlink"])
def test_a_stop_at_any_step_leaves_the_same_rows_and_the_next_run_mends(
    tmp_path, monkeypatch, step
):
    many(tmp_path)
    before = read(tmp_path)
    real = getattr(compaction.Path, step)
    for stopped_at in range(4):
        calls = []

        def stop(self, *args, calls=calls, stopped_at=stopped_at, **kwargs):
            calls.append(self)
            if len(calls) > stopped_at:
                raise KeyboardInterrupt
            return real(self, *args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(compaction.Path, step, stop)
            with contextlib.suppress(KeyboardInterrupt):
                compaction.compact(tmp_path)
        assert read(tmp_path).equals(before)
    compaction.compact(tmp_path)
    assert read(tmp_path).equals(before)
    assert len(parts.parts(tmp_path)) == 2


def test_a_full_disk_leaves_the_table_as_it_was(tmp_path, monkeypatch):
    many(tmp_path)
    before = parts.parts(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compaction.parts, "write_rows", full)
    with pytest.raises(compaction.EmbfeastError, match="No space left"):
        compaction.compact(tmp_path)
    assert parts.parts(tmp_path) == before
    assert not list(tmp_path.glob("*.tmp"))


def test_readers_beside_it_see_every_row_once_at_every_moment(tmp_path):
    many(tmp_path, count=64)
    stop, wrong = threading.Event(), []

    def reader():
        while not stop.is_set():
            seen = read(tmp_path)["id"].to_pylist()
            if seen[:192] != list(range(192)) or len(set(seen)) != len(seen):
                wrong.append(seen)

    threads = [threading.Thread(target=reader) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(64, 200):
        parts.write_part(tmp_path, rows(3 * number, 3))
        compaction.compact(tmp_path)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(read(tmp_path)) == 600
    assert len(parts.parts(tmp_path)) <= compaction.MOST_SMALL + 1


def test_a_list_names_the_parts_that_the_new_one_stands_for(tmp_path):
    many(tmp_path)
    before = {part.name for part in parts.parts(tmp_path)} - {parts.EMPTY}
    made = compaction.compact(tmp_path)
    assert set(json.loads(parts.replaced_list(made).read_text())) == before
    assert parts.part_of_list(parts.replaced_list(made)) == made
