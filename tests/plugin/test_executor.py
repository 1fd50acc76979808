"""A chunk is written while the next is computed, and an error in either ends the run."""

import pytest

from embfeast.plugin import executor
from embfeast.plugin.compute import RunCounts


@pytest.fixture
def steps(monkeypatch) -> list[str]:
    seen: list[str] = []

    def compute(work, tables, fitted):
        seen.append(f"compute {work}")
        return work

    def write(work, features, tables, fitted):
        if work == 13:
            raise OSError("disk full")
        return RunCounts(rows=features)

    monkeypatch.setattr(executor, "compute_features", compute)
    monkeypatch.setattr(executor, "write_work", write)
    return seen


def test_every_chunk_is_counted_once_and_in_order(steps):
    done = executor.LocalExecutor({}, None)([3, 1, 2])
    assert [counts.rows for counts in done] == [3, 1, 2]


def test_the_next_chunk_is_computed_before_the_first_is_reported(steps):
    done = iter(executor.LocalExecutor({}, None)([3, 1, 2]))
    next(done)
    assert steps == ["compute 3", "compute 1"]


def test_a_failed_write_stops_the_run_with_its_own_error(steps):
    with pytest.raises(OSError, match="disk full"):
        list(executor.LocalExecutor({}, None)([1, 13, 2, 4, 5]))
    assert "compute 5" not in steps


def test_no_chunks_are_no_work(steps):
    assert list(executor.LocalExecutor({}, None)([])) == []
