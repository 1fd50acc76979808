"""Training sets written to disk: peak memory and time a row as they grow, a process each."""

import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

from benchmarks.measure import Row, peak_mebibytes
from benchmarks.memory import run_apart
from benchmarks.point_in_time import OURS, SCALARS, entity_rows, opened_store, write_rows

FEW, MANY = 200_000, 800_000
MOST_MEBIBYTES = 1536


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
        write_rows(folder / "rows.parquet", count)
        frame = pa.Table.from_pandas(entity_rows(count), preserve_index=False)
        pq.write_table(frame, folder / "entities.parquet")
        del frame
        peak, seconds = run_apart(_persist, folder)
        return float(peak), float(seconds)


def _persist(folder: Path) -> tuple[float, float]:
    store = opened_store(OURS, folder / "rows.parquet", folder)
    wanted = ["items:vector", *(f"items:{name}" for name in SCALARS)]
    started = time.perf_counter()
    job = store.get_historical_features(folder / "entities.parquet", wanted)
    job.persist(SavedDatasetFileStorage(str(folder / "set.parquet")))
    return peak_mebibytes(), time.perf_counter() - started
