"""What tests run in processes of their own; in a module, so that such a process can import it."""

import os
import resource
import sys
import time
from pathlib import Path
from unittest.mock import patch

import pandas as pd

from embfeast import EmbfeastError
from embfeast.plugin.engine import part_writer
from embfeast.repository.keeping import compact_tables, upgrade_tables
from tests.small_repository import Repo, day

PERIOD = (day(-1), day(400))


def materialize(path: str, said: str = "") -> None:
    """Materialize everything; an error's text goes into a file, never a traceback.

    Each chunk becomes a file, however few its rows, so that a stop can fall between any two.
    """
    try:
        with patch.object(part_writer, "LONGEST_WAIT", 0.0):
            Repo(Path(path)).store().materialize(*PERIOD)
    except EmbfeastError as error:
        Path(said).write_text(str(error), encoding="utf-8") if said else None
        sys.exit(3)


def materialize_with_small_files(path: str, said: str, most: int) -> None:
    """Materialize where no file may grow beyond a number of bytes, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    materialize(path, said)


def read_until(path: str, stop: str, said: str) -> None:
    """Read training sets until told to stop; write down whatever is not right.

    After a few reads the file is there.
    """
    repo = Repo(Path(path))
    store = repo.store()
    keys = [0, 1, 2, 3, 5, 6, 7]
    entities = pd.DataFrame({"review_id": keys, "event_timestamp": [day(12)] * len(keys)})
    first = repo.training_set(store, entities)["reduced"].map(tuple).tolist()
    reads = 0
    while not Path(stop).exists():
        again = repo.training_set(store, entities)["reduced"].map(tuple).tolist()
        if again != first:
            Path(said).write_text(f"read {reads} differs", encoding="utf-8")
            sys.exit(4)
        reads += 1
        if reads == 6:
            Path(said).touch()
        time.sleep(0.01)
    Path(said).write_text(f"ok {reads}", encoding="utf-8")
    os._exit(0)


def keep(path: str, what: str) -> None:
    """Run what `embfeast compact` or `embfeast upgrade` runs."""
    store = Repo(Path(path)).store()
    compact_tables(store, kept_hours=0) if what == "compact" else upgrade_tables(store)


def push(path: str, first: int, count: int) -> None:
    """Push texts one by one, as they happen."""
    store = Repo(Path(path)).store()
    for number in range(first, first + count):
        row = (
            number,
            "more",
            f"Another text, number {number - 100}",
            *[day((number - 100) / 4)] * 2,
        )
        columns = ["review_id", "title", "body", "written_at", "known_at"]
        store.push("review_push", pd.DataFrame([row], columns=columns))
