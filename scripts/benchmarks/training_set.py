"""Training sets beyond memory: on disk, a process each; and as a Ray dataset, by two workers."""

import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

from benchmarks.measure import Row, compared, peak_mebibytes, seconds
from benchmarks.memory import run_apart
from benchmarks.point_in_time import OURS, SCALARS, entity_rows, opened_store, write_rows
from embfeast.plugin.training.workers_join import WorkersJoin

FEW, MANY = 200_000, 800_000
MOST_MEBIBYTES = 1536
REPEATS = 2


def training_set() -> list[Row]:
    """Write training sets of two sizes, entity rows from Parquet in no order."""
    (few, few_time), (many, many_time) = (written(count) for count in (FEW, MANY))
    against = f"{MANY:,} rows to {FEW:,}"
    microseconds = 1e6 * many_time / MANY, 1e6 * few_time / FEW
    per_row = microseconds[0] / microseconds[1]
    return [
        Row("training-set", f"{against}, peak", many, few, "MiB", many / few, "<= 1.5"),
        Row("training-set", f"{against}, time a row", *microseconds, "µs", per_row, "<= 1.1"),
        Row("training-set", "allowed", many, MOST_MEBIBYTES, "MiB", many / MOST_MEBIBYTES, "<= 1"),
    ]


def written(count: int) -> tuple[float, float]:
    """Return peak memory in MiB and seconds of writing so many rows of 384 + 20 numbers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder, count)
        peak, seconds = run_apart(_persist, folder)
        return float(peak), float(seconds)


def training_set_ray() -> list[Row]:
    """Fill a Ray dataset by two workers, beside one and beside this process alone."""
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    spent: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder, FEW)
        jobs = {order: _job(folder, order) for order in ("in order", "in no order")}
        for number in range(2 * REPEATS):
            workers = number % 2 + 1
            ray.init("local", num_cpus=workers, include_dashboard=False, log_to_driver=False)
            jobs["in order"].to_ray_dataset()  # starts the processes
            for order, job in jobs.items():
                spent[order, str(workers)].append(seconds(job.to_ray_dataset))
                with patch.object(WorkersJoin, "dataset", return_value=None):
                    spent[order, "0"].append(seconds(job.to_ray_dataset))
            ray.shutdown()
    return [
        compared(
            "training-set-ray",
            f"{other}, {FEW:,} rows {order}",
            spent[order, "2"],
            spent[order, number],
            "s",
            needed,
            inverse=True,
        )
        for order in jobs
        for other, number, needed in (("one", "1", ">= 1.5"), ("this process", "0", ">= 0.8"))
    ]


def _write(folder: Path, count: int) -> None:
    write_rows(folder / "rows.parquet", count)
    frame = pa.Table.from_pandas(entity_rows(count), preserve_index=False)
    pq.write_table(frame, folder / "entities.parquet")


def _job(folder: Path, order: str) -> Any:
    store = opened_store(OURS, folder / "rows.parquet", folder)
    wanted = ["items:vector", *(f"items:{name}" for name in SCALARS)]
    rows = pq.read_table(folder / "entities.parquet")
    if order == "in order":
        rows = rows.sort_by("event_timestamp")
    return store.get_historical_features(rows, wanted)


def _persist(folder: Path) -> tuple[float, float]:
    store = opened_store(OURS, folder / "rows.parquet", folder)
    wanted = ["items:vector", *(f"items:{name}" for name in SCALARS)]
    started = time.perf_counter()
    job = store.get_historical_features(folder / "entities.parquet", wanted)
    job.persist(SavedDatasetFileStorage(str(folder / "set.parquet")))
    return peak_mebibytes(), time.perf_counter() - started
