"""Figures of the features of a source in a period: numbers, categories, vectors and texts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast import FileSource
from feast.data_source import DataSource
from feast.monitoring.metrics_calculator import MetricsCalculator
from feast.monitoring.monitoring_utils import empty_categorical_metric, empty_numeric_metric
from feast.repo_config import RepoConfig

from embfeast.plugin.feature_table import AS_OF_TAG
from embfeast.plugin.source import DuckDBSource
from embfeast.plugin.source_scan import own_names, run_query, scan_of
from embfeast.texts import database
from embfeast.texts.column_types import MOMENT
from embfeast.texts.database import quote

SAMPLE = 1000  # vectors a side that are compared
Figures = dict[str, Any]


@contextmanager
def opened(
    config: RepoConfig, source: DataSource
) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """Open a source: a connection, and what stands after FROM."""
    if isinstance(source, DuckDBSource):
        with source.connect(config.repo_path) as connection:
            yield connection, source.get_table_query_string()
        return
    connection = database.connect_memory()
    try:
        yield connection, scan_of(connection, config, source, "monitored")
    finally:
        connection.close()


def newest(config: RepoConfig, source: DataSource, event: str) -> datetime | None:
    """Return the newest event time of a source."""
    event = own_names(source).get(event, event)
    with opened(config, source) as (connection, scan):
        sql = f"SELECT max(CAST({quote(event)} AS {MOMENT})) FROM {scan}"
        found = run_query(connection, sql).to_arrow_table()[0][0].as_py()
    return found.astimezone(UTC) if found else None


def figures(
    config: RepoConfig,
    source: DataSource,
    features: Sequence[tuple[str, str]],
    event: str,
    start: datetime | None,
    end: datetime | None,
    calculator: MetricsCalculator,
) -> list[Figures]:
    """Return Feast's figures of each feature, and of a vector the figures beside earlier ones."""
    own = own_names(source)
    event = own.get(event, event)
    with opened(config, source) as (connection, scan):
        rows = _Rows(connection, scan, event, start, end, as_of=_as_of(source))
        types = rows.types()
        texts = source.text_columns if isinstance(source, DuckDBSource) else ()
        made: list[Figures] = []
        for name, kind in features:
            column = own.get(name, name)
            if column not in types:
                continue
            if _is_vector(types[column]):
                made += _of_vectors(rows, column, name, calculator)
            elif _is_list(types[column]):
                made.append(_counted(rows.values(f"{quote(column)} IS NULL"), name))
            elif name in texts:  # how long they are: no text leaves its database
                lengths = rows.values(f"length({quote(column)})")
                made.append({**calculator.compute_numeric(lengths), "feature_name": name})
            else:
                values = _finite(rows.values(quote(column)))
                compute = getattr(calculator, f"compute_{kind}")
                made.append({**compute(values), "feature_name": name})
    return made


@dataclass(frozen=True)
class _Rows:
    """The rows of a period, and those before it."""

    connection: duckdb.DuckDBPyConnection
    scan: str
    event: str
    start: datetime | None
    end: datetime | None
    as_of: datetime | None

    def types(self) -> dict[str, pa.DataType]:
        empty = run_query(self.connection, f"SELECT * FROM {self.scan} LIMIT 0").to_arrow_table()
        return {field.name: field.type for field in empty.schema}

    def values(self, expression: str) -> pa.ChunkedArray:
        """Return an expression of every row of the period."""
        return self._query(expression, *self._period(), "")

    def sample(self, column: str, *, earlier: bool) -> np.ndarray:
        """Return vectors drawn by their values' hashes: the same ones at every run."""
        where, bounds = self._earlier() if earlier else self._period()
        name = quote(column)
        vectors = self._query(
            name,
            f"{where} AND {name} IS NOT NULL",
            bounds,
            f"ORDER BY hash({name}, {quote(self.event)}) LIMIT {SAMPLE}",
        )
        flat = pc.list_flatten(vectors.combine_chunks()).to_numpy(zero_copy_only=False)
        return flat.reshape(len(vectors), -1) if len(vectors) else np.empty((0, 0))

    def _period(self) -> tuple[str, dict[str, datetime]]:
        moment = f"CAST({quote(self.event)} AS {MOMENT})"
        bounds = {"start": (">=", self.start), "end": ("<=", self.end)}
        given = {name: _aware(at) for name, (_, at) in bounds.items() if at is not None}
        return " AND ".join(["true", *(f"{moment} {bounds[n][0]} ${n}" for n in given)]), given

    def _earlier(self) -> tuple[str, dict[str, datetime]]:
        """Return the rows that the recipe was fitted on, but those of the period itself."""
        ends = [_aware(at) for at in (self.start, self.as_of) if at is not None]
        if not ends:
            return "false", {}
        return f"CAST({quote(self.event)} AS {MOMENT}) < $until", {"until": min(ends)}

    def _query(
        self, what: str, where: str, bounds: dict[str, datetime], tail: str
    ) -> pa.ChunkedArray:
        sql = f"SELECT {what} AS found FROM {self.scan} WHERE {where} {tail}"
        found: pa.ChunkedArray = run_query(self.connection, sql, bounds).to_arrow_table()["found"]
        return found


def _of_vectors(
    rows: _Rows, column: str, name: str, calculator: MetricsCalculator
) -> Iterator[Figures]:
    """Yield the figures of the norm, and of a sample beside a sample of what was before."""
    # Brings scikit-learn, which a process that only opens the store does without.
    from embfeast.plugin.monitoring.vectors import FEWEST, cluster_counts, drift, novelty

    as_double = f"CAST({quote(column)} AS DOUBLE[])"
    norms = rows.values(f"sqrt(list_dot_product({as_double}, {as_double}))")
    yield {**calculator.compute_numeric(_finite(norms)), "feature_name": name}
    window, earlier = rows.sample(column, earlier=False), rows.sample(column, earlier=True)
    if min(len(window), len(earlier)) < FEWEST or window.shape[1] != earlier.shape[1]:
        return
    distances = pa.array(novelty(earlier, window))
    yield {**calculator.compute_numeric(distances), "feature_name": f"{name}.novelty"}
    if told := drift(earlier, window):
        yield {
            **empty_numeric_metric(f"{name}.drift"),
            "row_count": len(window) + len(earlier),
            "mean": told["auc"],
            "stddev": told["error"],
            "min_val": told["low"],
            "max_val": told["high"],
        }
    yield {
        **empty_categorical_metric(f"{name}.clusters"),
        "row_count": len(window),
        "histogram": {
            "values": (counts := cluster_counts(earlier, window)),
            "other_count": 0,
            "unique_count": len(counts),
        },
    }


def _counted(is_null: pa.ChunkedArray, name: str) -> Figures:
    """Return the share of nulls of a list that is no vector of numbers."""
    nulls, total = pc.sum(is_null).as_py() or 0, len(is_null)
    return {
        **empty_categorical_metric(name),
        "row_count": total,
        "null_count": nulls,
        "null_rate": nulls / total if total else 0.0,
    }


def _finite(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers with nulls for what is none, which no histogram takes."""
    if not pa.types.is_floating(values.type):
        return values
    finite: pa.ChunkedArray = pc.if_else(pc.is_finite(values), values, pa.scalar(None, values.type))
    return finite


def _as_of(source: DataSource) -> datetime | None:
    told = (source.tags or {}).get(AS_OF_TAG) if isinstance(source, FileSource) else None
    return datetime.fromisoformat(told) if told else None


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _is_list(kind: pa.DataType) -> bool:
    return any(
        fits(kind)
        for fits in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    )


def _is_vector(kind: Any) -> bool:
    return _is_list(kind) and (
        pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
    )
