"""A run that is stopped anywhere is repaired by running it again."""

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from embfeast.plugin.feature_table import feature_table
from tests.reliability import runs
from tests.reliability.conftest import assert_right, ended, offline, opened, our_views

pytestmark = pytest.mark.slow

KILLS = 50


def whole_files(repo):
    """Return how many files are visible; every one of them must be readable."""
    tables = [opened(repo, view) for view in our_views(repo)]
    assert [table.damaged() for table in tables] == [[]] * len(tables)
    return sum(len(table.files) for table in tables)


def start_anew(repo):
    """Remove what earlier runs have stored, but for the empty tables that `apply` makes."""
    shutil.rmtree(repo.path / "data" / "features")
    with sqlite3.connect(repo.path / "data" / "online.db") as stored:
        names = stored.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            stored.execute(f'DELETE FROM "{name}"')
    for view in our_views(repo):
        feature_table(view, repo.config()).ensure()


def test_fifty_kills_at_random_moments_lose_nothing_and_show_no_half_file(
    fresh, expected, processes
):
    def run(seconds=None):
        return ended(processes.Process(target=runs.materialize, args=(str(fresh.path),)), seconds)

    assert run()[0] == 0  # the first one waits for the modules to be imported
    start_anew(fresh)
    code, whole = run()
    assert code == 0
    assert_right(fresh, expected)

    rng, stages, killed = random.Random(7), set(), 0
    for number in range(KILLS):
        if number % 5 == 0:  # the others go on where a killed run has left off
            start_anew(fresh)
        code, spent = run(rng.uniform(0.2, 0.9) * whole)
        killed += code != 0
        if code == 0:  # the first run may have been timed on a busier machine
            whole = min(whole, spent)
        stages.add(whole_files(fresh))
    assert killed > KILLS / 2
    assert len(stages) > 5, "the kills must have met the run at many places"
    assert run()[0] == 0
    assert_right(fresh, expected)


def as_earlier(repo):
    """Turn the tables into what an earlier version stored: Parquet files without a log."""
    for view in our_views(repo):
        table = opened(repo, view)
        for number, file in enumerate(table.files):
            rows = table.read(file).select(table.columns)
            Path(file).unlink()
            if rows.num_rows:
                pq.write_table(rows, table.place.path / f"part-{number:03}.parquet")
        shutil.rmtree(table.place.path / "_delta_log")


@pytest.mark.parametrize("what", ["compact", "upgrade"])
def test_upkeep_that_is_killed_and_run_again_keeps_every_row_once(fresh, expected, processes, what):
    runs.materialize(str(fresh.path))
    if what == "upgrade":
        as_earlier(fresh)
    features, kept = fresh.path / "data" / "features", fresh.path / "kept"
    shutil.copytree(features, kept)

    def start_over():
        shutil.rmtree(features)
        shutil.copytree(kept, features)

    def run(seconds=None):
        return ended(processes.Process(target=runs.keep, args=(str(fresh.path), what)), seconds)

    def rows_of(tables):
        return {name: rows.drop(["embfeast_text_sha256"]) for name, rows in tables.items()}

    assert run()[0] == 0  # the first one waits for the modules to be imported
    start_over()
    code, whole = run()
    assert code == 0
    rng, killed = random.Random(3), 0
    while killed < 3:
        start_over()
        code, spent = run(rng.uniform(0.3, 0.95) * whole)
        killed += code != 0
        if code == 0:  # it was timed on a busier machine
            whole = min(whole, spent)
        assert run()[0] == 0
        assert rows_of(offline(fresh)) == rows_of(expected[0])
    assert whole_files(fresh)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_by_hand_ends_in_a_clear_line_without_a_traceback(fresh, expected, stop):
    code = (
        "import sys; from pathlib import Path; from click import command;"
        "from tests.small_repository import Repo; from tests.reliability import runs;"
        "import embfeast.plugin.engine.local_executor as executor; import time;"
        "real = executor.encode_work;"
        "slow = lambda: (print('chunk', flush=True), time.sleep(0.3));"
        "executor.encode_work = lambda *a: (slow(), real(*a))[1];"
        "command()(lambda: runs.materialize(sys.argv[1]))([])"
    )
    ran = subprocess.Popen(
        [sys.executable, "-c", code, str(fresh.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert any("chunk" in line for line in iter(ran.stdout.readline, ""))
    ran.send_signal(stop)
    _, said = ran.communicate(timeout=600)
    assert ran.returncode == 1
    assert "Traceback" not in said, said
    assert "stopped; all that was written is whole, run the same command again" in said
    runs.materialize(str(fresh.path))
    assert_right(fresh, expected)
