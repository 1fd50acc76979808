"""A chunk is written while the next is encoded, and an error in either ends the run."""

from types import SimpleNamespace

import pytest

from embfeast.plugin.engine import local_executor
from embfeast.plugin.engine.chunks import RunCounts

UNCACHED = SimpleNamespace(encoder=SimpleNamespace(cache=None))


def chunk(rows):
    encoded = {"texts": ["a"] * (rows - 1), "wanted": rows - 1}  # one text is missing
    return SimpleNamespace(read=rows, rows=SimpleNamespace(num_rows=rows), **encoded)


@pytest.fixture
def steps(monkeypatch) -> list[str]:
    seen: list[str] = []

    def encode(work, tables, fitted, advance):
        seen.append(f"encode {work.read}")
        advance(len(work.texts))
        return work

    class Writer:
        def __init__(self, tables, appenders, fitted):
            pass

        def add(self, work, encoded):
            if encoded.read == 13:
                raise OSError("disk full")
            return RunCounts(rows=work.read, computed=work.read)

        def flush(self):
            seen.append("flush")

    monkeypatch.setattr(local_executor, "encode_work", encode)
    monkeypatch.setattr(local_executor, "PartWriter", Writer)
    return seen


def run(*rows, advance=lambda texts: None):
    return local_executor.LocalExecutor({}, {}, UNCACHED)(map(chunk, rows), advance)


def test_every_chunk_is_counted_once_and_the_rest_is_written_at_the_end(steps):
    assert [counts.rows for counts in run(3, 1, 2)] == [3, 1, 2]
    assert steps[-1] == "flush"


def test_a_chunk_of_rows_that_are_there_is_counted_and_not_encoded(steps):
    known = SimpleNamespace(read=7, rows=SimpleNamespace(num_rows=0))
    advances = []
    work = [chunk(3), known, chunk(2)]
    done = sum(local_executor.LocalExecutor({}, {}, UNCACHED)(work, advances.append), RunCounts())
    assert sum(advances) == 12
    assert (done.rows, done.computed) == (12, 5)
    assert steps == ["encode 3", "encode 2", "flush"]


def test_the_next_chunk_is_encoded_before_the_first_is_reported(steps):
    done = iter(run(3, 1, 2))
    next(done)
    assert steps == ["encode 3", "encode 1"]


def test_a_failed_write_stops_the_run_with_its_own_error(steps):
    with pytest.raises(OSError, match="disk full"):
        list(run(1, 13, 2, 4, 5))
    assert "encode 5" not in steps
    assert "flush" not in steps


def test_no_chunks_are_no_work(steps):
    assert list(run()) == []
    assert steps == ["flush"]
