"""Text to both stores: beside the encoding alone, beside plain Feast, and with a warm cache."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.measure import Row, compared, seconds
from benchmarks.plain_feast import plain_store
from benchmarks.repository import fresh_copy, make_repository, materialize_all
from benchmarks.texts import texts
from embfeast import Encoder
from embfeast.encoding.backend import OnnxBackend
from embfeast.encoding.batch import Batch
from embfeast.recipe.versions import load_current

TEXTS = 10_000
PLAIN_TEXTS = 2_000  # plain Feast encodes each text once a view; 10,000 take it many minutes
REPEATS = 3


def materialize() -> list[Row]:
    """All views, offline and SQLite, cold cache."""
    with tempfile.TemporaryDirectory() as folder:
        template = make_repository(Path(folder) / "template", TEXTS)
        encoder = Encoder()
        encoder.encode(texts(100))
        own, other = [], []
        for number in range(REPEATS):
            repo = fresh_copy(template, Path(folder) / f"run{number}")
            own.append(seconds(partial(materialize_all, repo)))
            other.append(seconds(partial(encoder.encode, texts(TEXTS))))
    rows = [compared("materialize", f"encoding {TEXTS:,} texts", own, other, "s", "<= 1.2")]
    return rows + _against_plain_feast()


def _against_plain_feast() -> list[Row]:
    own, other = [], []
    with tempfile.TemporaryDirectory() as folder:
        template = make_repository(Path(folder) / "template", PLAIN_TEXTS)
        recipe = load_current(template / "data" / "recipes")
        start = datetime(2026, 1, 1, tzinfo=UTC)
        given = texts(PLAIN_TEXTS)
        times = [start + timedelta(minutes=i) for i in range(len(given))]
        for number in range(2):
            repo = fresh_copy(template, Path(folder) / f"run{number}")
            own.append(seconds(partial(materialize_all, repo)))
            plain = plain_store(Path(folder) / f"plain{number}", given, times, recipe)
            other.append(seconds(partial(plain.materialize, times[0], times[-1])))
            _check_whole(plain, len(given))
    against = f"plain Feast, a view a trick, {PLAIN_TEXTS:,} texts"
    return [compared("materialize", against, own, other, "s", ">= 8", inverse=True)]


def _check_whole(plain: object, count: int) -> None:
    rows = [{"item_id": i} for i in range(0, count, 97)]
    found = plain.get_online_features(["embedding:embedding", "products:products"], rows).to_dict()
    if any(vector is None for name in ("embedding", "products") for vector in found[name]):
        raise AssertionError("plain Feast has not written every row")


def rematerialize() -> list[Row]:
    """Materialize the texts again: all rows are there; and new tables of cached vectors."""
    cold, again, tables, calls = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        template = make_repository(Path(folder) / "template", TEXTS)
        for number in range(REPEATS):
            repo = fresh_copy(template, Path(folder) / f"run{number}")
            cold.append(seconds(partial(materialize_all, repo)))
            with _model_calls() as counted:
                again.append(seconds(partial(materialize_all, repo)))
                other = fresh_copy(template, Path(folder) / f"other{number}")
                (repo / "data" / "cache").rename(other / "data" / "cache")
                tables.append(seconds(partial(materialize_all, other)))
            calls.append(float(len(counted)))
    return [
        compared("rematerialize", "the cold run", again, cold, "s", ">= 10", inverse=True),
        compared(
            "rematerialize",
            "the cold run, into new tables",
            tables,
            cold,
            "s",
            ">= 10",
            inverse=True,
        ),
        Row("rematerialize", "model calls", sum(calls), 0.0, "calls", sum(calls), "<= 0"),
    ]


@contextmanager
def _model_calls() -> Iterator[list[int]]:
    counted: list[int] = []
    real = OnnxBackend.read

    def run(self: OnnxBackend, batch: Batch, *more: Any, **also: Any) -> object:
        counted.append(len(batch.rows))
        return real(self, batch, *more, **also)

    with patch.object(OnnxBackend, "read", run):
        yield counted
