"""Point-in-time training sets against Feast's own offline stores, from the same Parquet file."""

import gc
import hashlib
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Array, Float32, Int64

from benchmarks.measure import Row, compared, peak_mebibytes

OURS = "embfeast.plugin.DuckDBOfflineStore"
POLARS = "polars.join_asof"
PYARROW = "pyarrow reading the file alone"
START = datetime(2026, 1, 1, tzinfo=UTC)
WIDTH = 384
SCALARS = [f"scalar_{i:02d}" for i in range(20)]
REPEATS = 3
SHORT = 100_000  # rows that are read in so short a time that more calls are needed


def point_in_time() -> list[Row]:
    """Time and memory of a training set, each store in a process of its own."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for count in (SHORT, 4 * SHORT):
            rows += _against(Path(folder), count, "duckdb", REPEATS, ">= 5")
            rows += _against_readers(Path(folder), count)
        rows += _against(Path(folder), 20_000, "dask", 2, ">= 50")[:1]
    return rows


def _against(folder: Path, count: int, kind: str, repeats: int, needed: str) -> list[Row]:
    path = write_rows(folder / f"{count}.parquet", count)
    measured: dict[str, list[dict[str, Any]]] = {OURS: [], kind: []}
    for _ in range(repeats):
        for one in measured:
            calls = 3 if count > SHORT else 5
            measured[one].append(in_process(one, path, count, calls))
    ours, theirs = measured.values()
    if ours[0]["digest"] != theirs[0]["digest"]:
        raise AssertionError(f"{kind} and ours disagree on {count:,} rows")
    against = f"Feast's {kind} store, {count:,} rows"
    seconds = [[run["seconds"] for run in side] for side in (ours, theirs)]
    memory = [[run["mebibytes"] for run in side] for side in (ours, theirs)]
    return [
        compared("point-in-time", against, *seconds, "s", needed, inverse=True),
        compared("point-in-time", f"{against}, peak memory", *memory, "MiB", "<= 1"),
    ]


def _against_readers(folder: Path, count: int) -> list[Row]:
    """Compare with polars' own join of the same rows, and with pyarrow merely reading the file."""
    path = folder / f"{count}.parquet"
    measured: dict[str, list[dict[str, Any]]] = {OURS: [], POLARS: [], PYARROW: []}
    for _ in range(REPEATS):
        for one in measured:
            measured[one].append(in_process(one, path, count))
    if measured[OURS][0]["digest"] != measured[POLARS][0]["digest"]:
        raise AssertionError(f"polars and ours disagree on {count:,} rows")
    spent = {one: [run["seconds"] for run in runs] for one, runs in measured.items()}
    ours = spent[OURS]
    return [
        compared(
            "point-in-time",
            f"{POLARS}, {count:,} rows",
            ours,
            spent[POLARS],
            "s",
            ">= 1",
            inverse=True,
        ),
        compared(
            "point-in-time", f"{PYARROW}, {count:,} rows", ours, spent[PYARROW], "s", "<= 1.3"
        ),
    ]


def _joined_by_polars(path: Path, entities: pd.DataFrame) -> pa.Table:
    """Return the same training set as polars makes it, in the order of the entity rows."""
    asked = pl.from_pandas(entities).with_row_index("place").sort("event_timestamp")
    rows = pl.read_parquet(path).with_columns(pl.col("event_timestamp").set_sorted())
    found = asked.join_asof(rows, on="event_timestamp", by="item_id", check_sortedness=False)
    return found.sort("place").to_arrow()


def _read_by_pyarrow(path: Path, entities: pd.DataFrame) -> pa.Table:
    return pq.read_table(path, columns=["vector", *SCALARS])


def write_rows(path: Path, count: int) -> Path:
    """Write feature rows: ten revisions a key, in order of time, a vector and scalars each."""
    rng = np.random.default_rng(0)
    schema, writer = None, None
    for start in range(0, count, 50_000):
        size = min(50_000, count - start)
        numbers = np.arange(start, start + size)
        vectors = rng.standard_normal((size, WIDTH), dtype=np.float32)
        moments = pa.array(numbers * 1_000_000, pa.timestamp("us", tz="UTC"))
        shifted = pa.compute.add(
            moments, pa.scalar(int(START.timestamp()) * 10**6, pa.duration("us"))
        )
        columns: dict[str, Any] = {
            "item_id": numbers % (count // 10),
            "event_timestamp": shifted,
            "created_timestamp": shifted,
            "vector": pa.ListArray.from_arrays(
                pa.array(np.arange(size + 1) * WIDTH, pa.int32()), pa.array(vectors.ravel())
            ),
        }
        columns |= {name: rng.standard_normal(size, dtype=np.float32) for name in SCALARS}
        table = pa.table(columns)
        schema = schema or table.schema
        writer = writer or pq.ParquetWriter(path, schema)
        writer.write_table(table, row_group_size=8_192)
    writer.close()
    return path


def in_process(kind: str, path: Path, count: int, calls: int = 3) -> dict[str, Any]:
    """Read the training set in a new process, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(kind, path, count, calls, send))
    process.start()
    send.close()
    try:
        found: dict[str, Any] = receive.recv()
    finally:
        process.join()
    return found


def _measured(kind: str, path: Path, count: int, calls: int, send: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        entities = entity_rows(count)
        read = _reader(kind, path, Path(folder))
        # The first call sets things up: plugins are imported, the engine starts.
        read(entities.head(10))
        spent = []
        for _ in range(calls):
            found = None  # the last answer's memory is free before the next is made
            gc.collect()
            started = time.perf_counter()
            found = read(entities)
            spent.append(time.perf_counter() - started)
        peak = peak_mebibytes()
    result = {
        "seconds": statistics.median(spent),
        "mebibytes": peak,
        "digest": "" if kind == PYARROW else _digest(found),
    }
    send.send(result)


def _reader(kind: str, path: Path, folder: Path) -> Callable[[pd.DataFrame], pa.Table]:
    readers = {POLARS: _joined_by_polars, PYARROW: _read_by_pyarrow}
    if kind in readers:
        return partial(readers[kind], path)
    store = opened_store(kind, path, folder)
    wanted = ["items:vector", *(f"items:{name}" for name in SCALARS)]
    return lambda entities: store.get_historical_features(entities, wanted).to_arrow()


def entity_rows(count: int) -> pd.DataFrame:
    """Return as many entity rows as feature rows, at times between them."""
    rng = np.random.default_rng(1)
    seconds = rng.integers(count // 10, count, count)
    # A fraction of its own makes each row one of a kind, whatever order a store returns.
    times = pd.to_datetime(START) + pd.to_timedelta(seconds, unit="s")
    times += pd.to_timedelta(np.arange(count) % 999_983, unit="us")
    keys = rng.integers(0, count // 10, count)
    return pd.DataFrame({"item_id": keys, "event_timestamp": times.astype("datetime64[us, UTC]")})


def opened_store(kind: str, path: Path, folder: Path) -> FeatureStore:
    """Return a store of a kind over a file of rows as `write_rows` makes it."""
    item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.INT64)
    source = FileSource(
        name="items",
        path=str(path),
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
    )
    view = FeatureView(
        name="items",
        entities=[item],
        ttl=timedelta(0),
        schema=[
            Field(name="item_id", dtype=Int64),
            Field(name="vector", dtype=Array(Float32)),
            *(Field(name=name, dtype=Float32) for name in SCALARS),
        ],
        source=source,
    )
    config = RepoConfig(
        project="benchmark",
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store={"type": kind},
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    store.apply([item, source, view])
    return store


def _digest(found: pa.Table) -> str:
    """Return what tells two answers apart, whatever the order of their rows."""
    order = pa.compute.sort_indices(
        found, [("event_timestamp", "ascending"), ("item_id", "ascending")]
    )
    total = hashlib.sha256()
    for name in ("item_id", *SCALARS):
        column = found[name].take(order).to_numpy().astype(np.float32)
        total.update(np.ascontiguousarray(column).tobytes())
    present = found["vector"].is_valid().take(order)
    total.update(np.ascontiguousarray(present.to_numpy()).tobytes())
    for start in range(0, len(order), 10_000):  # a copy of all vectors would count as memory
        vectors = found["vector"].take(order.slice(start, 10_000))
        for chunk in vectors.chunks:
            total.update(np.asarray(chunk.flatten(), dtype=np.float32).tobytes())
    return total.hexdigest()
