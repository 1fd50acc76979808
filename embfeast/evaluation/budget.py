"""How an evaluation ends in time: what may be learned from, by what a first fold has taken."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from embfeast.errors import EmbfeastError

Tell = Callable[[str], Any]

# A second of budget pays for so many texts, whatever the sets; the rest are left out by chance.
TEXTS_A_SECOND = 50
FIRST_ROWS = 500
FEWEST_ROWS = 200
# A first fold says little of one that is much larger.
LARGEST_STEP = 4
WORTH_A_STEP = 1.5
# Time grows faster than rows do.
GROWTH = 1.3
SAFE = 0.8
SECONDS = {"s": 1, "m": 60, "h": 3600}


def parse_budget(given: str) -> float | None:
    """Return seconds; None for "none".

    Examples
    --------
    >>> parse_budget("5m"), parse_budget("90s"), parse_budget("1.5h"), parse_budget("none")
    (300.0, 90.0, 5400.0, None)
    """
    if given == "none":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", given.strip())
    if not found or not float(found[1]):
        raise EmbfeastError(f"budget {given!r} is not valid", "say 90s, 5m, 1h or none")
    return float(found[1]) * SECONDS[found[2]]


def duration(seconds: float) -> str:
    """Say a time in words.

    Examples
    --------
    >>> duration(42.4), duration(300)
    ('42 s', '5 min')
    """
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def most_texts(budget: float | None) -> int | None:
    """Return how many texts a budget pays for."""
    return None if budget is None else max(int(TEXTS_A_SECOND * budget), FIRST_ROWS)


@dataclass(frozen=True)
class Spent:
    """Seconds of a first fold: what is done once, and what every fold takes."""

    once: float
    each: float


@dataclass
class Budget:
    """Seconds that may be spent, from now on; None for no end."""

    seconds: float | None
    clock: Callable[[], float] = time.monotonic
    start: float = field(init=False)

    def __post_init__(self) -> None:
        self.start = self.clock()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        if self.seconds is None:
            return float("inf")
        return self.seconds - (self.clock() - self.start)

    def next_rows(self, rows: int, all_rows: int, folds: int, spent: Spent) -> int:
        """Return how many rows to learn from, after a first fold that learned from `rows`.

        The same number says: go on with what was begun.

        Examples
        --------
        >>> Budget(300, clock=lambda: 0.0).next_rows(500, 9_000, 10, Spent(once=20, each=4))
        1452
        """
        if self.seconds is None:
            return rows
        factor = SAFE * self.left / max(spent.once + folds * spent.each, 1e-9)
        if factor >= 1:
            most = min(int(rows * min(factor ** (1 / GROWTH), LARGEST_STEP)), all_rows)
            return most if most >= WORTH_A_STEP * rows or most == all_rows else rows
        if (folds - 1) * spent.each <= self.left:
            return rows
        return min(rows, max(FEWEST_ROWS, int(rows * max(factor, 0.0))))
