"""Which rows a fit may read, their labels and pairs, and the digest of what it has read."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from embfeast.errors import EmbfeastError
from embfeast.recipe.fitted import is_missing


def eligible(
    texts: Sequence[str | None], timestamps: Any, created: Any, as_of: datetime | str | None
) -> tuple[pd.DataFrame, int]:
    """Return the rows that may be read, in an order of their own content, and the missing texts.

    Parameters
    ----------
    texts : sequence of str or None, length n
    timestamps, created : sequence of datetime, length n, or None
    as_of : datetime or None
        Rows with both times before it may be read.

    Returns
    -------
    rows : DataFrame
        Indexed by position among the texts, with ``event``, ``created`` and ``sha``.
    missing : int
        Missing and blank texts among the rows before `as_of`: later ones must change nothing.

    Raises
    ------
    EmbfeastError
        No text is left, or the times do not fit.
    """
    rows = pd.DataFrame(index=pd.RangeIndex(len(texts)))
    rows["event"] = _times("timestamps", timestamps, len(texts))
    rows["created"] = _times("created_timestamps", created, len(texts))
    gone = np.fromiter(map(is_missing, texts), dtype=bool, count=len(texts))
    before = np.ones(len(texts), dtype=bool)
    if as_of is not None:
        if timestamps is None:
            raise EmbfeastError(
                "as_of needs timestamps: without them no row is known to be earlier"
            )
        before &= (rows["event"] < utc(as_of)).to_numpy()
        if created is not None:
            before &= (rows["created"] < utc(as_of)).to_numpy()
    if not (before & ~gone).any():
        known = f" before {iso(utc(as_of))}" if as_of is not None else ""
        raise EmbfeastError(f"no text to fit on: {len(texts)} rows, none with a text{known}")
    rows = rows[before & ~gone]
    rows["sha"] = [
        hashlib.sha256(str(texts[i]).encode(errors="surrogatepass")).hexdigest() for i in rows.index
    ]
    return rows.sort_values(["event", "created", "sha"], kind="stable"), int((before & gone).sum())


def draw(rows: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Return at most so many rows, the same ones for a seed, in their order."""
    if len(rows) <= most:
        return rows
    drawn = np.random.default_rng(seed).choice(len(rows), size=most, replace=False)
    return rows.iloc[np.sort(drawn)]


def known_labels(
    labels: Any, times: Any, rows: pd.DataFrame, count: int, as_of: datetime | str | None
) -> pd.Series | None:
    """Return the labels of the rows read, without those that were known too late.

    Raises
    ------
    EmbfeastError
        There are not as many as texts.
    """
    if labels is None:
        return None
    given = pd.Series(list(labels), dtype=object)
    if len(given) != count:
        raise EmbfeastError(f"labels has {len(given)} values for {count} texts")
    if times is not None and as_of is not None:
        given[~(_times("label_timestamps", times, count) < utc(as_of)).to_numpy()] = None
    return given.loc[rows.index].reset_index(drop=True).infer_objects()


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
        return pd.Series(pd.NaT, index=pd.RangeIndex(count)).dt.tz_localize("UTC")
    times = pd.Series(pd.to_datetime(pd.Series(list(values)), utc=True))
    if len(times) != count:
        raise EmbfeastError(f"{name} has {len(times)} values for {count} texts")
    return times.reset_index(drop=True)
