"""Writers at once, and writers whose clocks differ: a row is there once, and the right one."""

import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

from embfeast.repository import materialize, verify
from tests.reliability import runs
from tests.reliability.conftest import offline, opened, our_views
from tests.small_repository import day

pytestmark = pytest.mark.slow


@contextmanager
def clock(hours):
    """Let the clock go wrong by some hours."""
    off, real, real_ns = timedelta(hours=hours), time.time, time.time_ns

    class Moment(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + off

    with (
        patch("time.time", lambda: real() + off.total_seconds()),
        patch("time.time_ns", lambda: real_ns() + int(off.total_seconds()) * 10**9),
        patch("embfeast.tables.table.datetime", Moment),
    ):
        yield


def push(store, *row):
    columns = ["review_id", "title", "body", "written_at", "known_at"]
    store.push("review_push", pd.DataFrame([row], columns=columns))


@pytest.mark.parametrize(("first", "then"), [(1, -1), (-1, 1)])
def test_of_writers_whose_clocks_differ_by_hours_the_times_of_the_rows_decide(pushed, first, then):
    repo, store, fitted = pushed
    with clock(first):
        push(store, 20, "refund", "known first", day(12), day(12))
        push(store, 21, "refund", "of the later day", day(14), day(14))
        push(store, 22, "refund", "not yet corrected", day(12), day(12))
    with clock(then):
        push(store, 20, "refund", "known last", day(12), day(13))
        push(store, 21, "refund", "of the earlier day", day(13), day(15))
        push(store, 22, "refund", "corrected", day(12), day(12))
    want = [f"refund\n{text}" for text in ("known last", "of the later day", "corrected")]
    want = np.float32(fitted.values(want, entries=["reduced"])["reduced"])
    for _ in range(2):
        assert np.array_equal(np.float32(repo.lookup(store, [20, 21, 22])["reduced"]), want)
        asked = pd.DataFrame({"review_id": [20, 21, 22], "event_timestamp": [day(16)] * 3})
        found = repo.training_set(store, asked)["reduced"]
        assert np.array_equal(np.float32(found.tolist()), want)
        with clock(first):
            runs.keep(str(repo.path), "compact")
        materialize(store)
    assert all(one.ok for one in verify(store, sample=None) if one.check != "texts")


def test_two_runs_and_a_push_at_once_store_every_row_once(pushed, processes, tmp_path):
    repo, store, _ = pushed
    rows = [
        (100 + i, "more", f"Another text, number {i}", day(i / 4), day(i / 4)) for i in range(30)
    ]
    repo.write_texts(rows)
    jobs = [(runs.materialize, str(tmp_path / f"said{i}")) for i in range(2)]
    jobs.append((runs.push, 100, 8))
    started = [
        processes.Process(target=target, args=(str(repo.path), *more)) for target, *more in jobs
    ]
    for one in started:
        one.start()
    for one in started:
        one.join(180)
    said = [path.read_text() for path in sorted(tmp_path.glob("said*"))]
    assert {one.exitcode for one in started} <= {0, 3}, said  # 3: one clear message
    runs.materialize(str(repo.path))
    for view in our_views(repo):
        table = offline(repo)[view.name]
        keys = [field.name for field in view.entity_columns]
        stored = table.select([*keys, "event_timestamp", "created_timestamp"]).to_pylist()
        assert len(stored) == len({tuple(row.values()) for row in stored}) == 13 + 30
        assert opened(repo, view).damaged() == []
    assert None not in repo.lookup(store, range(100, 130))["reduced"]
    assert all(one.ok for one in verify(store, sample=None))
