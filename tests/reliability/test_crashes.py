"""A run that is stopped anywhere is repaired by running it again."""

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from embfeast.plugin import parts
from embfeast.plugin.feature_table import feature_table
from tests.reliability import runs
from tests.reliability.conftest import assert_right, our_views

pytestmark = pytest.mark.slow

KILLS = 50


def whole_parts(repo):
    """Return how many parts there are; every one of them must be readable."""
    count = 0
    for view in our_views(repo):
        for part in parts.parts(feature_table(view).folder(repo.config())):
            assert parts.is_readable(part), f"half a part was visible: {part}"
            count += 1
    return count


def start_anew(repo):
    """Remove what earlier runs have stored, but for the empty tables that `apply` makes."""
    shutil.rmtree(repo.path / "data" / "features")
    with sqlite3.connect(repo.path / "data" / "online.db") as stored:
        names = stored.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            stored.execute(f'DELETE FROM "{name}"')
    for view in our_views(repo):
        table = feature_table(view)
        parts.ensure_table(table.folder(repo.config()), table.schema)


def test_fifty_kills_at_random_moments_lose_nothing_and_show_no_half_part(
    fresh, expected, processes
):
    def run(seconds=None):
        process = processes.Process(target=runs.materialize, args=(str(fresh.path),))
        began = time.monotonic()
        process.start()
        process.join(seconds)
        if process.is_alive():
            process.kill()
            process.join()
        return process.exitcode, time.monotonic() - began

    assert run()[0] == 0  # the first one waits for the modules to be imported
    start_anew(fresh)
    code, whole = run()
    assert code == 0
    assert_right(fresh, expected)

    rng, stages, killed = random.Random(7), set(), 0
    for number in range(KILLS):
        if number % 5 == 0:  # the others go on where a killed run has left off
            start_anew(fresh)
        killed += run(rng.uniform(0.2, 0.9) * whole)[0] != 0
        stages.add(whole_parts(fresh))
    assert killed > KILLS / 2
    assert len(stages) > 5, "the kills must have met the run at many places"
    assert run()[0] == 0
    assert_right(fresh, expected)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_by_hand_ends_in_a_clear_line_without_a_traceback(fresh, expected, stop):
    code = (
        "import sys; from pathlib import Path; from click import command;"
        "from tests.plugin.conftest import Repo; from tests.reliability import runs;"
        "import embfeast.plugin.executor as executor; import time;"
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
    _, said = ran.communicate(timeout=60)
    assert ran.returncode == 1
    assert "Traceback" not in said, said
    assert "stopped; all that was written is whole, run the same command again" in said
    runs.materialize(str(fresh.path))
    assert_right(fresh, expected)
