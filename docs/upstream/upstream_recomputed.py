"""A view's transformation runs once more for each view that is computed from it."""

import os
import tempfile
from collections.abc import Callable
from inspect import getsource
from pathlib import Path

import pandas as pd
from feast import BatchFeatureView, Entity, FeatureStore, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
os.environ["RUNS"] = str(folder / "runs")
now = pd.Timestamp.now(tz="UTC").floor("s")
rows = pd.DataFrame({"user_id": [1], "score": [1.0], "at": [now - pd.Timedelta(days=1)]})
rows.to_parquet(folder / "rows.parquet")
user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)


def counted(rows: pd.DataFrame) -> pd.DataFrame:
    import os
    from pathlib import Path

    with Path(os.environ["RUNS"]).open("a") as runs:
        runs.write("run ")
    return rows


def same(rows: pd.DataFrame) -> pd.DataFrame:
    return rows


def view(name: str, source: object, function: Callable) -> BatchFeatureView:
    sink = str(folder / f"{name}.parquet")
    rows[:0].to_parquet(sink)
    return BatchFeatureView(
        name=name,
        entities=[user],
        schema=[Field(name="score", dtype=Float64)],
        source=source,
        sink_source=FileSource(name=f"{name}_sink", path=sink, timestamp_field="at"),
        mode="pandas",
        udf=function,
        udf_string=getsource(function),
        online=True,
    )


table = FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at")
costly = view("costly", table, counted)
derived = [view(name, [costly], same) for name in ("one", "two")]
store = FeatureStore(
    config=RepoConfig(
        project="p",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
)
store.apply([user, costly, *derived])
store.materialize(now - pd.Timedelta(days=9), now)
runs = len((folder / "runs").read_text().split())
print(f"one materialization of three views ran the function of the first {runs} times")
raise SystemExit(runs != 1)
