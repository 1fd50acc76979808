"""Kill a writer of a table fifty times and look at what is left, wherever the table lies."""

import os
import random

from embfeast.tables.table import ensure_table
from tests.reliability.conftest import ended
from tests.tables.conftest import SCHEMA, ids
from tests.tables.writer import ROWS, STEPS, write


def kill_fifty_times(place_of, processes):
    """Kill it at random moments, which must meet each of its steps; no row goes or comes twice."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    step = processes.Value("i", -1)

    def started_anew(name):
        return ensure_table(place_of(name), SCHEMA)[0]

    def run(table, seconds=None):
        words = (str(table.place), environment, step)
        return ended(processes.Process(target=write, args=words), seconds)

    for warm in ("first", "second"):  # the first one waits for the modules to be imported
        table = started_anew(warm)
        code, whole = run(table)
        assert code == 0
        assert ids(table.reload()) == list(range(ROWS))
    rng, met = random.Random(11), set()
    for number in range(50):
        if number % 10 == 0:  # the others go on where a killed writer has left off
            table, seen = started_anew(number), set()
        code, _ = run(table, rng.uniform(0.05, 0.6) * whole)
        met |= {STEPS[step.value]} if code else set()
        now = ids(table.reload())
        assert len(set(now)) == len(now)
        assert seen <= set(now)
        seen = set(now)
        assert table.damaged() == []
        if number % 10 == 9:
            assert run(table)[0] == 0
            assert ids(table.reload()) == list(range(ROWS))
    assert met == set(STEPS)
