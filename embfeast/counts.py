"""What a process has done, counted where it happens; the feature server exports it."""

from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import Literal

Name = Literal[
    "texts_encoded", "cache_hits", "null_texts", "version_mismatches", "requests_refused"
]

_lock = Lock()
_totals: Counter[Name] = Counter()
_listeners: list[Callable[[Name, int], object]] = []


def add(name: Name, number: int) -> None:
    """Count something that has happened `number` times.

    Examples
    --------
    >>> before = totals()["null_texts"]
    >>> add("null_texts", 2)
    >>> totals()["null_texts"] - before
    2
    """
    if not number:
        return
    with _lock:
        _totals[name] += number
    for tell in _listeners:
        tell(name, number)


def totals() -> Counter[Name]:
    """Return the counts since the process began."""
    with _lock:
        return Counter(_totals)


def listen(tell: Callable[[Name, int], object]) -> None:
    """Let somebody hear of every count from now on."""
    _listeners.append(tell)
