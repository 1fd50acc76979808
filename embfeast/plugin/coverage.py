"""Which periods a feature table covers, so that a refit's table is filled back to the start.

Feast remembers what it materialized by view, not by recipe: after a refit,
`materialize-incremental` would go on where the old recipe stopped and leave the new table without
its history. So each table keeps its own record beside its parts, written when a run has ended.
"""

import json
import os
from datetime import datetime
from pathlib import Path

FILE = ".coverage.json"
Period = tuple[datetime, datetime]


def read(folder: Path) -> list[Period]:
    """Return the covered periods, merged and in order; none where nothing was recorded."""
    try:
        stored = json.loads((folder / FILE).read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):  # a damaged record only costs a check of the rows
        return []
    return [(datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in stored]


def add(folder: Path, period: Period) -> None:
    """Record one more covered period."""
    merged: list[Period] = []
    for start, end in sorted([*read(folder), period]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    half = folder / f".coverage.{os.getpid()}.tmp"
    half.write_text(json.dumps([[a.isoformat(), b.isoformat()] for a, b in merged]))
    half.replace(folder / FILE)


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
