"""Which rows a fit may read, their labels and pairs, and the digest of what it has read."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from embfeast.errors import EmbfeastError
from embfeast.moments import exact_moments
from embfeast.recipe.encoded import is_missing


def eligible(
    texts: Sequence[str | None], timestamps: Any, created: Any, as_of: datetime | str | None
) -> tuple[pd.DataFrame, int]:
    """Return the rows that may be read, in an order of their own content, and the missing texts.

    Both times of a row lie before `as_of`. Rows are indexed by position among the texts; missing
    texts are counted among the rows before `as_of` alone: later ones must change nothing.
    """
    rows = pd.DataFrame(index=pd.RangeIndex(len(texts)))
    rows["event"] = _times("timestamps", timestamps, len(texts))
    rows["created"] = _times("created_timestamps", created, len(texts))
    missing_texts = np.fromiter(map(is_missing, texts), dtype=bool, count=len(texts))
    before = np.ones(len(texts), dtype=bool)
    if as_of is not None:
        if timestamps is None:
            raise EmbfeastError(
                "as_of needs timestamps: without them no row is known to be earlier"
            )
        before &= (rows["event"] < utc(as_of)).to_numpy()
        if created is not None:
            before &= (rows["created"] < utc(as_of)).to_numpy()
    if not (before & ~missing_texts).any():
        known = f" before {iso(utc(as_of))}" if as_of is not None else ""
        raise EmbfeastError(f"no text to fit on: {len(texts)} rows, none with a text{known}")
    rows = rows[before & ~missing_texts]
    rows["sha"] = [
        hashlib.sha256(str(texts[i]).encode(errors="surrogatepass")).hexdigest() for i in rows.index
    ]
    return rows.sort_values(["event", "created", "sha"], kind="stable"), int(
        (before & missing_texts).sum()
    )


def draw(rows: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Return at most so many rows, the same ones for a seed, in their order."""
    if len(rows) <= most:
        return rows
    drawn = np.random.default_rng(seed).choice(len(rows), size=most, replace=False)
    return rows.iloc[np.sort(drawn)]


def known_labels(
    labels: Any, times: Any, rows: pd.DataFrame, count: int, as_of: datetime | str | None
) -> pd.Series | None:
    """Return the labels of the rows read, without those that were known too late."""
    if labels is None:
        return None
    all_labels = pd.Series(list(labels), dtype=object)
    if len(all_labels) != count:
        raise EmbfeastError(f"labels has {len(all_labels)} values for {count} texts")
    if times is not None and as_of is not None:
        all_labels[~(_times("label_timestamps", times, count) < utc(as_of)).to_numpy()] = None
    return all_labels.loc[rows.index].reset_index(drop=True).infer_objects()


def label_times(times: Any, rows: pd.DataFrame, count: int) -> pd.Series:
    """Return when the labels of the rows read were known: not before the rows were."""
    known = rows["event"]
    if times is not None:
        given = _times("label_timestamps", times, count).loc[rows.index]
        known = given.fillna(known)
    later = rows["created"].where(rows["created"] > known, known)
    return later.reset_index(drop=True)


def key_table(keys: Any, count: int) -> pa.Table:
    """Return keys, a table of their columns or one a text, as a table."""
    if isinstance(keys, pa.Table):
        table: pa.Table = keys
    else:
        table = pa.table({"key": pa.array([str(key) for key in keys], pa.string())})
    if table.num_rows != count:
        raise EmbfeastError(f"keys has {table.num_rows} values for {count} texts")
    return table


def known_pairs(
    pairs: Sequence[tuple[int, int]] | None, rows: pd.DataFrame
) -> list[tuple[int, int]] | None:
    """Return given pairs as positions among the rows read, without those that are not read."""
    if pairs is None:
        return None
    position = {row: i for i, row in enumerate(rows.index)}
    kept = [(position[a], position[b]) for a, b in pairs if a in position and b in position]
    return sorted(kept)


def rows_digest(rows: pd.DataFrame, labels: pd.Series | None) -> str:
    """Return the SHA-256 (hex) over texts, times and labels."""
    total = hashlib.sha256()
    for sha, event, created in zip(rows["sha"], rows["event"], rows["created"], strict=True):
        total.update(f"{sha} {iso(event)} {iso(created)}\n".encode())
    if labels is not None:
        said = ("" if pd.isna(label) else str(label) for label in labels)
        total.update("\n".join(said).encode())
    return total.hexdigest()


def utc(moment: datetime | str) -> pd.Timestamp:
    """Return a moment in UTC; a naive one is taken as UTC."""
    stamp = pd.Timestamp(moment)
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")


def iso(moment: Any) -> str | None:
    """Return a moment as ISO 8601 in UTC, and a missing one as None."""
    return None if pd.isna(moment) else utc(moment).isoformat()


def _times(name: str, values: Any, count: int) -> pd.Series:
    if values is None:
        none: pd.Series = pd.Series(pd.NaT, index=pd.RangeIndex(count)).dt.tz_localize("UTC")
        return none
    column = values if isinstance(values, pd.Series) else pd.Series(list(values))
    try:
        times = pd.Series(exact_moments(column).to_pandas(), dtype="datetime64[us, UTC]")
    except EmbfeastError as error:
        raise EmbfeastError(f"{name}: {error}") from error
    if len(times) != count:
        raise EmbfeastError(f"{name} has {len(times)} values for {count} texts")
    return times.reset_index(drop=True)
