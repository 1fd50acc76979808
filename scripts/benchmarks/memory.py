"""Peak memory of a materialization, many texts against few; a stand-in takes the model's place."""

import multiprocessing
import shutil
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from benchmarks.measure import Row, peak_mebibytes
from benchmarks.repository import make_repository, materialize_all
from embfeast.encoding.backend import OnnxBackend
from embfeast.encoding.batch import Batch
from embfeast.encoding.pooling import unit

FEW, MANY = 50_000, 400_000
MOST_MEBIBYTES = 1536


def memory() -> list[Row]:
    """Peak memory at two sizes, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        template = make_repository(Path(folder) / "template", 2_000)
        few, many = (peak(with_texts(template, Path(folder) / str(n), n)) for n in (FEW, MANY))
    return [
        Row("memory", f"{MANY:,} texts to {FEW:,}", many, few, "MiB", many / few, "<= 1.1"),
        Row("memory", "allowed", many, MOST_MEBIBYTES, "MiB", many / MOST_MEBIBYTES, "<= 1"),
    ]


def with_texts(template: Path, folder: Path, count: int) -> Path:
    """Return a fitted and applied repository with so many short texts."""
    shutil.copytree(template, folder)
    with duckdb.connect(str(folder / "data" / "tickets.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        columns = [row[0] for row in connection.execute("DESCRIBE tickets").fetchall()]
        made = {
            "ticket_id": "number",
            "subject": "NULL",
            "body": "'order ' || number || ' is late'",
            "event_timestamp": "TIMESTAMPTZ '2026-01-01' + to_seconds(number)",
            "created_timestamp": "TIMESTAMPTZ '2026-01-01' + to_seconds(number)",
        }
        selected = ", ".join(made.get(column, "NULL") for column in columns)
        connection.execute("DELETE FROM tickets")
        connection.execute(
            f"INSERT INTO tickets SELECT {selected} FROM range(1, {count + 1}) t(number)"
        )
    return folder


def peak(repo: Path) -> float:
    """Return the peak memory, in MiB, of a process that materializes a repository."""
    return float(run_apart(_materialize, repo))


def run_apart(work: Any, *given: Any) -> Any:
    """Run a function in a new process and return what it returns."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:
        return pool.apply(work, given)


def stand_in() -> None:
    """Put numbers made of the word pieces in the place of the model's."""
    table = np.random.default_rng(0).standard_normal((997, 384), dtype=np.float32)

    def read(self: OnnxBackend, batch: Batch, *_: object, **__: object) -> dict[str, np.ndarray]:
        states = table[batch.ids % 997]
        return {"states": states, "sentence": unit(states.mean(axis=1))}

    OnnxBackend.read = read


def _materialize(repo: Path) -> float:
    stand_in()
    materialize_all(repo)
    return peak_mebibytes()
