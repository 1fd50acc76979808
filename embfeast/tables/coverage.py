"""Which periods a feature table covers, so that a refit's table is filled back to the start.

Feast remembers what it materialized by view, not by recipe: after a refit,
`materialize-incremental` would go on where the old recipe stopped and leave the new table without
its history. So each table keeps its own record, as a property, written when a run has ended.
"""

import json
import time
from datetime import datetime

from embfeast.tables.append import until_committed
from embfeast.tables.table import Table

PROPERTY = "embfeast.covered"
# The last runs, each with the time at which it ended: what it should have found in the source.
RUNS = "embfeast.runs"
MOST_RUNS = 100
Period = tuple[datetime, datetime]
Run = tuple[datetime, datetime, int]  # the period, and nanoseconds since 1970


def read(table: Table) -> list[Period]:
    """Return the covered periods, merged and in order."""
    stored = json.loads(table.properties.get(PROPERTY, "[]"))
    return [(datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in stored]


def add(table: Table, period: Period) -> None:
    """Record one more covered period."""
    for attempt in until_committed(table):
        with attempt:
            covered = read(table)
            if (merged := merge([*covered, period])) != covered:
                table.set_properties({PROPERTY: as_text(merged)})


def covers(covered: list[Period], event: datetime, created: datetime) -> bool:
    """Tell whether a run that has ended would have read a text of these times."""
    return any(start <= event <= end and created <= end for start, end in covered)


def runs(table: Table) -> list[Run]:
    """Return the periods of the last runs, but of those that a later one has covered again."""
    stored = json.loads(table.properties.get(RUNS, "[]"))
    return [(datetime.fromisoformat(a), datetime.fromisoformat(b), at) for a, b, at in stored]


def add_run(table: Table, period: Period) -> None:
    """Record a run that has ended just now, and the period that it covered."""
    start, end = period
    for attempt in until_committed(table):
        with attempt:
            others = [run for run in runs(table) if run[0] < start or end < run[1]]
            kept = [*others[-MOST_RUNS:], (start, end, time.time_ns())]
            said = [[a.isoformat(), b.isoformat(), at] for a, b, at in kept]
            covered = as_text(merge([*read(table), period]))
            table.set_properties({PROPERTY: covered, RUNS: json.dumps(said)})


def as_text(periods: list[Period]) -> str:
    """Return periods as a table keeps them."""
    return json.dumps([[a.isoformat(), b.isoformat()] for a, b in periods])


def merge(periods: list[Period]) -> list[Period]:
    """Join periods that touch."""
    merged: list[Period] = []
    for start, end in sorted(periods):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def start_of_gap(covered: list[Period], wanted: list[Period], start: datetime) -> datetime:
    """Return where a run must begin so that all wanted periods before it are covered too.

    Parameters
    ----------
    covered : list of (start, end)
        What the table has.
    wanted : list of (start, end)
        What Feast has materialized for the view under any recipe.
    start : datetime
        Where the run was asked to begin.

    Examples
    --------
    >>> from datetime import datetime as d
    >>> start_of_gap([], [(d(2026, 1, 1), d(2026, 3, 1))], d(2026, 3, 1)).month
    1
    >>> start_of_gap([(d(2026, 1, 1), d(2026, 3, 1))], [(d(2026, 1, 1), d(2026, 3, 1))],
    ...              d(2026, 3, 1)).month
    3
    """
    uncovered = [
        period[0]
        for period in wanted
        if not any(a <= period[0] and min(period[1], start) <= b for a, b in covered)
    ]
    return min([start, *uncovered])
