"""Figures that were computed, a Parquet file a kind, under the feature repository."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from feast.monitoring.monitoring_utils import (
    MONITORING_DIR,
    monitoring_parquet_meta,
    normalize_monitoring_row,
)
from feast.repo_config import RepoConfig
from filelock import FileLock

from embfeast.moments import MOMENT
from embfeast.tables.files import write_to_folder

# Types of Feast's columns; the others are text.
_TYPES: dict[pa.DataType, list[str]] = {
    pa.date32(): ["metric_date"],
    MOMENT: ["computed_at", "max_event_timestamp", "started_at", "completed_at"],
    pa.bool_(): ["is_baseline"],
    pa.int64(): [
        "row_count",
        "null_count",
        "total_row_count",
        "total_features",
        "total_feature_views",
        "features_with_nulls",
    ],
    pa.float64(): [
        *("null_rate", "mean", "stddev", "min_val", "max_val", "avg_null_rate", "max_null_rate"),
        *("p50", "p75", "p90", "p95", "p99"),
    ],
}
_TYPE_OF = {name: kind for kind, names in _TYPES.items() for name in names}
Row = dict[str, Any]


def folder_of(config: RepoConfig) -> Path:
    """Return the folder of the figures, made where it is not there."""
    folder: Path = Path(config.repo_path or ".") / MONITORING_DIR
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def keep(config: RepoConfig, kind: str, rows: list[Row]) -> None:
    """Add rows, each in the place of an older one of the same name, date and granularity."""
    _, _, identity = monitoring_parquet_meta(kind)
    with _changed(config, kind) as known:
        made = [{name: _plain(row.get(name), name) for name in _schema(kind).names} for row in rows]
        by_name = {tuple(row[name] for name in identity): row for row in [*known, *made]}
        known[:] = by_name.values()


def find(
    config: RepoConfig,
    kind: str,
    project: str,
    wanted: Row,
    start: date | None,
    end: date | None,
) -> list[Row]:
    """Return rows in the order of their dates."""
    rows = [
        row
        for row in _read(folder_of(config), kind)
        if project in ("", row["project_id"])
        and all(row[name] == value for name, value in wanted.items() if value is not None)
        and (start is None or row["metric_date"] >= start)
        and (end is None or row["metric_date"] <= end)
    ]
    return [normalize_monitoring_row(row) for row in sorted(rows, key=lambda r: r["metric_date"])]


def end_baseline(config: RepoConfig, wanted: Row) -> None:
    """Make baselines rows like others."""
    with _changed(config, "feature") as known:
        for row in known:
            if all(row[name] == value for name, value in wanted.items() if value is not None):
                row["is_baseline"] = False


@contextmanager
def _changed(config: RepoConfig, kind: str) -> Iterator[list[Row]]:
    """Yield all rows, and write what was made of them: whole, one writer at a time."""
    folder = folder_of(config)
    with FileLock(folder / f".{kind}.lock"):
        rows = _read(folder, kind)
        yield rows
        table = pa.Table.from_pylist(rows, _schema(kind))
        write_to_folder(folder, table, monitoring_parquet_meta(kind)[0])


def _read(folder: Path, kind: str) -> list[Row]:
    file = folder / monitoring_parquet_meta(kind)[0]
    rows: list[Row] = pq.read_table(file).to_pylist() if file.exists() else []
    return rows


def _schema(kind: str) -> pa.Schema:
    _, columns, _ = monitoring_parquet_meta(kind)
    return pa.schema([(name, _TYPE_OF.get(name, pa.string())) for name in columns])


def _plain(value: Any, name: str) -> Any:
    """Return a value as its column has it; Feast gives back what it has read, times as text."""
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, str) and _TYPE_OF.get(name) == MOMENT:
        return datetime.fromisoformat(value)
    return value
