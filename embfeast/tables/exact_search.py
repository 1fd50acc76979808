"""The rows of a feature table nearest to a vector: every vector is compared, none is held."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.storage import open_to_read
from embfeast.tables.columns import EVENT_TIME, MOMENT
from embfeast.tables.fetch import Group, fetch_rows, groups
from embfeast.tables.newest_rows import newest_positions
from embfeast.tables.place import READ_ERRORS
from embfeast.tables.table import Table
from embfeast.tricks.parts.rowwise import product, unit_rows

Metric = Literal["cosine", "dot"]
METRICS = get_args(Metric)
SCORE = "score"


def scores(vectors: NDArray[Any], query: NDArray[Any], metric: Metric) -> NDArray[np.float64]:
    """Compare vectors with one; a vector's score does not depend on those beside it.

    Parameters
    ----------
    vectors : ndarray of shape (n, dim)
    query : ndarray of shape (dim,)
    metric : {"cosine", "dot"}

    Returns
    -------
    ndarray of shape (n,), float64
        Higher is nearer. The cosine with a vector of zeros is 0.
    """
    query = query[None, :]
    if metric == "cosine":
        vectors, query = unit_rows(vectors), unit_rows(query)
    return product(vectors, query.T)[:, 0]


def nearest(rows: pa.Table, k: int, keys: Sequence[str]) -> pa.Table:
    """Return the k rows of the highest score; equal scores are in the order of their keys."""
    order = [(SCORE, "descending"), *((key, "ascending") for key in keys)]
    return rows.take(pc.sort_indices(rows, sort_keys=order)[:k])


def exact_search(
    table: Table,
    keys: Sequence[str],
    feature: str,
    query: NDArray[np.float32],
    *,
    k: int,
    metric: Metric = "cosine",
    as_of: datetime | None = None,
    without: Mapping[str, Any] | None = None,
    oldest: datetime | None = None,
) -> pa.Table:
    """Find the keys whose newest vector is nearest to a vector.

    Parameters
    ----------
    table : Table
    keys : sequence of str
    feature : str
        The column of vectors; rows without one are left out.
    query : ndarray of shape (dim,)
    k : int
    metric : {"cosine", "dot"}
    as_of : datetime, optional
        Revisions of a later event time do not count.
    without : mapping, optional
        A key that is left out, by column.
    oldest : datetime, optional
        Keys whose newest row has an earlier event time are left out.

    Returns
    -------
    pyarrow.Table of at most k rows
        Keys, score (float64) and event time, nearest first; equal scores by key.

    Notes
    -----
    One row group of vectors is in memory at a time, besides the number of each key's row.
    """
    columns = [*keys, EVENT_TIME]
    schema = table.schema
    best = pa.schema([*map(schema.field, columns), pa.field(SCORE, pa.float64())]).empty_table()
    files, file_of, row_of = newest_positions(table, keys, as_of=as_of, without=without)
    try:
        for group in groups(files, file_of, row_of):
            found = _scored(group, columns, feature, query, metric, oldest)
            if best.num_rows == k:
                found = found.filter(pc.greater_equal(found[SCORE], best[SCORE][-1]))
            best = nearest(pa.concat_tables([best, found.cast(best.schema)]), k, keys)
    except READ_ERRORS as error:
        raise table.why_not(error) from error
    return best.select([*keys, SCORE, EVENT_TIME])


def stored_vector(
    table: Table,
    keys: Sequence[str],
    feature: str,
    key: Mapping[str, Any],
    as_of: datetime | None = None,
    oldest: datetime | None = None,
) -> list[float] | None:
    """Return a key's newest vector, or None where it has none, or an earlier time than `oldest`.

    Raises
    ------
    EmbfeastError
        The table has no row of the key.
    """
    files, file_of, row_of = newest_positions(table, keys, as_of=as_of, only=key)
    if not len(row_of):
        when = f" at or before {as_of}" if as_of else ""
        raise EmbfeastError(f"feature table {table.place} has no row of {dict(key)}{when}")
    found = fetch_rows(files, file_of, row_of, [feature, EVENT_TIME])
    if oldest is not None and found[EVENT_TIME][0].as_py() < oldest:
        return None
    vector: list[float] | None = found[feature][0].as_py()
    return vector


def _scored(
    group: Group,
    columns: Sequence[str],
    feature: str,
    query: NDArray[np.float32],
    metric: Metric,
    oldest: datetime | None,
) -> pa.Table:
    with pq.ParquetFile(open_to_read(group.file), metadata=group.about, pre_buffer=False) as opened:
        rows = opened.read_row_group(group.number, columns=[*columns, feature])
    if len(group.wanted) < rows.num_rows:
        rows = rows.take(pa.array(group.wanted))
    rows = rows.filter(pc.is_valid(rows[feature]))
    if oldest is not None:
        rows = rows.filter(pc.greater_equal(rows[EVENT_TIME], pa.scalar(oldest, MOMENT)))
    cells: Any = rows[feature].combine_chunks()  # lists
    if (widths := np.diff(np.asarray(cells.offsets))).size and (widths != len(query)).any():
        raise EmbfeastError(
            f"{group.file}: column {feature!r} holds vectors of {widths.min()} to {widths.max()} "
            f"numbers, the query has {len(query)}"
        )
    vectors = np.asarray(cells.flatten()).reshape(-1, len(query))
    made = pa.array(scores(vectors, query, metric))
    return rows.select(columns).append_column(SCORE, made)
