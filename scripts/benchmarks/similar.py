"""Exact search over a feature table's files against the same vectors held in memory."""

import tempfile
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import Row, compared, seconds
from embfeast.tables.columns import MOMENT
from embfeast.tables.exact_search import exact_search
from embfeast.tables.files import write_file
from embfeast.tables.place import Place
from embfeast.tables.table import Table, ensure_table

ROWS, WIDTH, PART, K, REPEATS = 100_000, 384, 10_000, 10, 5


def similar() -> list[Row]:
    """Time of one search; the other side pays neither for reading nor for revisions."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((ROWS, WIDTH), dtype=np.float32)
    query = rng.standard_normal(WIDTH, dtype=np.float32)
    with tempfile.TemporaryDirectory() as path:
        table = _write(Place(f"{path}/table"), vectors)
        ours, theirs, loaded = [], [], []
        for _ in range(REPEATS):
            ours.append(seconds(lambda: exact_search(table, ["item_id"], "vector", query, k=K)))
            theirs.append(seconds(lambda: _brute_force(vectors, query)))
            loaded.append(seconds(lambda: _brute_force(_load(table), query)))
        found = exact_search(table, ["item_id"], "vector", query, k=K)["item_id"].to_pylist()
    if found != _brute_force(vectors, query).tolist():
        raise AssertionError("exact search and brute force in memory disagree")
    about = f"{ROWS:,} × {WIDTH}"
    return [
        compared("similar", f"numpy, {about} in memory", ours, theirs, "s", "<= 10"),
        compared("similar", f"numpy, {about} read first", ours, loaded, "s", "<= 1.5"),
    ]


def _write(place: Place, vectors: np.ndarray) -> Table:
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
        rows = pa.table(columns)
        table, _ = ensure_table(place, rows.schema)
        table.commit([write_file(place, rows).add()])
    return table


def _load(table: Table) -> np.ndarray:
    tables = [pq.read_table(file, columns=["vector"]) for file in table.files]
    cells = pa.concat_tables(tables)["vector"].combine_chunks()
    return np.asarray(cells.flatten()).reshape(-1, WIDTH)


def _brute_force(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    cosine = vectors @ query / np.linalg.norm(vectors, axis=1)
    best = np.argpartition(-cosine, K)[:K]
    return best[np.argsort(-cosine[best])]
