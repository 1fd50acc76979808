"""Exact search over a feature table's parts against the same vectors held in memory."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import Row, compared, seconds
from embfeast.plugin import parts
from embfeast.plugin.exact_search import exact_search
from embfeast.plugin.feature_table import MOMENT

ROWS, WIDTH, PART, K, REPEATS = 100_000, 384, 10_000, 10, 5


def similar() -> list[Row]:
    """Time of one search; the other side pays neither for reading nor for revisions."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((ROWS, WIDTH), dtype=np.float32)
    query = rng.standard_normal(WIDTH, dtype=np.float32)
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path) / "table"
        _write(folder, vectors)
        ours, theirs, loaded = [], [], []
        for _ in range(REPEATS):
            ours.append(seconds(lambda: exact_search(folder, ["item_id"], "vector", query, k=K)))
            theirs.append(seconds(lambda: _brute_force(vectors, query)))
            loaded.append(seconds(lambda: _brute_force(_load(folder), query)))
        found = exact_search(folder, ["item_id"], "vector", query, k=K)["item_id"].to_pylist()
    if found != _brute_force(vectors, query).tolist():
        raise AssertionError("exact search and brute force in memory disagree")
    about = f"{ROWS:,} × {WIDTH}"
    return [
        compared("similar", f"numpy, {about} in memory", ours, theirs, "s", "<= 10"),
        compared("similar", f"numpy, {about} read first", ours, loaded, "s", "<= 1.5"),
    ]


def _write(folder: Path, vectors: np.ndarray) -> None:
    moment = pa.scalar(datetime(2026, 1, 1, tzinfo=UTC), MOMENT)
    for start in range(0, len(vectors), PART):
        some = vectors[start : start + PART]
        times = pa.repeat(moment, len(some))
        offsets = pa.array(np.arange(len(some) + 1) * WIDTH, pa.int32())
        columns = {
            "item_id": np.arange(start, start + len(some)),
            "event_timestamp": times,
            "created_timestamp": times,
            "vector": pa.ListArray.from_arrays(offsets, pa.array(some.ravel())),
        }
        parts.write_part(folder, pa.table(columns), f"{start:08d}.parquet")


def _load(folder: Path) -> np.ndarray:
    tables = [pq.read_table(part, columns=["vector"]) for part in parts.parts(folder)]
    cells = pa.concat_tables(tables)["vector"].combine_chunks()
    return np.asarray(cells.flatten()).reshape(-1, WIDTH)


def _brute_force(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    cosine = vectors @ query / np.linalg.norm(vectors, axis=1)
    best = np.argpartition(-cosine, K)[:K]
    return best[np.argsort(-cosine[best])]
