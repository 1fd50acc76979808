"""Full disks, damaged files, runs at once: it succeeds, or stops with one clear message."""

import os
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

from embfeast import EmbfeastError
from embfeast.tables.upkeep import drop_damaged
from tests.reliability import runs
from tests.reliability.conftest import assert_right, opened, our_views
from tests.small_repository import day

pytestmark = pytest.mark.slow


def run(processes, target, *arguments, seconds=1_200):
    made = processes.Process(target=target, args=tuple(map(str, arguments[:2])) + arguments[2:])
    made.start()
    made.join(seconds)
    assert made.exitcode is not None, "the run did not end"
    return made.exitcode


def table_of(repo, view):
    return opened(repo, next(v for v in our_views(repo) if v.name == view))


@pytest.mark.parametrize("most", [6_000, 20_000, 60_000])
def test_a_file_that_cannot_grow_stops_the_run_with_one_message(
    fresh, expected, processes, tmp_path, most
):
    said = tmp_path / "said"
    assert run(processes, runs.materialize_with_small_files, fresh.path, said, most) == 3
    told = said.read_text().strip()
    assert "cannot be written" in told or "refused a write" in told
    assert "\n" not in told
    runs.materialize(str(fresh.path))
    assert_right(fresh, expected)


def test_a_full_disk_stops_the_run_and_what_is_stored_stays_right(
    fresh, expected, processes, tmp_path
):
    features = fresh.path / "data" / "features"
    kept = tmp_path / "kept"
    shutil.copytree(features, kept)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(features)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        shutil.copytree(kept, features, dirs_exist_ok=True)
        said = tmp_path / "said"
        assert run(processes, runs.materialize, fresh.path, said) == 3
        assert "No space left on device" in said.read_text()
        assert not any(opened(fresh, view).damaged() for view in our_views(fresh))
        subprocess.run(["mount", "-o", "remount,size=100m", str(features)], check=True)
        runs.materialize(str(fresh.path))
        assert_right(fresh, expected)
        subprocess.run(["mount", "-o", "remount,ro", str(features)], check=True)
        fresh.write_texts([(70, "new", "A text for a read-only folder", day(30), day(30))])
        assert run(processes, runs.materialize, fresh.path, said) == 3
        assert "Read-only file system" in said.read_text()
    finally:
        subprocess.run(["umount", str(features)], check=True)


def test_a_text_database_that_a_writer_holds_stops_the_run(fresh, expected, processes, tmp_path):
    said = tmp_path / "said"
    with duckdb.connect(str(fresh.path / "data" / "reviews.duckdb")):
        assert run(processes, runs.materialize, fresh.path, said) == 3
    assert "open for writing elsewhere" in said.read_text()
    runs.materialize(str(fresh.path))
    assert_right(fresh, expected)


def test_a_truncated_file_is_named_and_its_rows_come_back(fresh, expected):
    runs.materialize(str(fresh.path))
    table = table_of(fresh, "review_reduced")
    file = Path(max(table.files, key=os.path.getsize))
    file.write_bytes(file.read_bytes()[:-20])
    for attempt in (
        lambda: fresh.store().materialize(*runs.PERIOD),
        lambda: fresh.training_set(fresh.store(), _entities()),
    ):
        with pytest.raises(EmbfeastError, match=f"{file.name}.*--drop-damaged"):
            attempt()
    assert drop_damaged(table) == [str(file)]
    runs.materialize(str(fresh.path))
    assert_right(fresh, expected)


def _entities():
    import pandas as pd

    return pd.DataFrame({"review_id": [1], "event_timestamp": [day(12)]})


def test_a_lost_or_damaged_cache_costs_time_and_nothing_else(fresh, expected):
    shutil.rmtree(fresh.path / "data" / "cache")
    runs.materialize(str(fresh.path))
    assert_right(fresh, expected)
    for file in (fresh.path / "data" / "cache").glob("*.sqlite"):
        file.write_bytes(b"no database " * 500)
    fresh.write_texts([(71, "new", "Encoded without the cache", day(30), day(30))])
    with pytest.warns(UserWarning, match="embedding cache .* cannot be read"):
        fresh.store().materialize(*runs.PERIOD)
    assert fresh.lookup(fresh.store(), [71])["reduced"][0] is not None


def test_two_runs_at_once_store_every_row_once(fresh, expected, processes, tmp_path):
    both = [
        processes.Process(
            target=runs.materialize, args=(str(fresh.path), str(tmp_path / f"said{i}"))
        )
        for i in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join(180)
    ended = [one.exitcode for one in both]
    assert set(ended) <= {0, 3}, ended  # 3: one clear message, as from a locked online store
    runs.materialize(str(fresh.path))
    assert_right(fresh, expected)


def test_four_readers_beside_a_writer_see_no_error_and_no_wrong_row(fresh, processes, tmp_path):
    runs.materialize(str(fresh.path))
    stop = tmp_path / "stop"
    said = [tmp_path / f"r{i}" for i in range(4)]
    readers = [
        processes.Process(target=runs.read_until, args=(str(fresh.path), str(stop), str(one)))
        for one in said
    ]
    for one in readers:
        one.start()
    number = 1_000  # of writes there are some, and each reader has read a few times beside them
    while number < 1_030 or not all(
        what.exists() or not one.is_alive() for one, what in zip(readers, said, strict=True)
    ):
        fresh.write_texts(
            [(number + i, "w", f"Written {number + i}", day(40 + i), day(40 + i)) for i in range(3)]
        )
        number += 3
        fresh.store().materialize(*runs.PERIOD)
    stop.touch()
    for one, what in zip(readers, said, strict=True):
        one.join(60)
        assert one.exitcode == 0, what.read_text() if what.exists() else "a traceback above"
        assert int(what.read_text().removeprefix("ok ")) > 5


def test_a_text_that_becomes_blank_replaces_the_stale_online_value(fresh):
    runs.materialize(str(fresh.path))
    assert fresh.lookup(fresh.store(), [1])["embedding"][0] is not None
    fresh.write_texts([(1, None, " ", day(50), day(50))])
    fresh.store().materialize(*runs.PERIOD)
    found = fresh.lookup(fresh.store(), [1])
    assert found["embedding"] == [None]
    assert found["similarity_billing"] == [None]
    assert found["embfeast_status"] == ["current"]
