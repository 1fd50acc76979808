"""The texts that the report looks at, with times and labels, and what the recipe makes of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.plugin.compute import joined_texts
from embfeast.plugin.source import DuckDBSource
from embfeast.recipe import FittedRecipe
from embfeast.recipe.fitted import is_missing
from embfeast.recipe.settings import PLAIN
from embfeast.tricks.rowwise import unit_rows
from embfeast.tricks.selection import is_number

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """What one pass over the whole table has counted.

    Attributes
    ----------
    rows, missing : int
        Rows, every revision; those whose text is missing or blank.
    lengths : ndarray of shape (rows with text,), int64
        Characters of each text.
    first, last : Timestamp or None
        Event times, UTC.
    """

    rows: int
    missing: int
    lengths: NDArray[np.int64]
    first: pd.Timestamp | None
    last: pd.Timestamp | None


@dataclass
class Sample:
    """A sample of the texts, and the recipe's output for it.

    Attributes
    ----------
    fitted : FittedRecipe
    texts : list of str, length n
        None of them missing, in order of time.
    times : DatetimeIndex of length n
        Event times, UTC.
    labels : ndarray of shape (n,) or None
        str classes, or float64 numbers; None or NaN where a text has none. None without labels.
    label_name : str
    outputs : dict of ndarray of shape (n, width), float32
        By entry, and ``"embedding"``.
    seed : int
    """

    fitted: FittedRecipe
    texts: list[str]
    times: pd.DatetimeIndex
    labels: NDArray[Any] | None
    label_name: str
    outputs: dict[str, Matrix]
    seed: int = 0
    source: Source = field(default_factory=lambda: Source(0, 0, np.empty(0, np.int64), None, None))

    @cached_property
    def embedding(self) -> NDArray[np.float64]:
        """The sentence vectors at unit length."""
        return unit_rows(self.outputs[PLAIN])

    @cached_property
    def labelled(self) -> NDArray[np.int64]:
        """Row numbers of the texts with a label."""
        if self.labels is None:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(~pd.isna(self.labels))

    @property
    def has_classes(self) -> bool:
        """Whether the label is one of at least two classes."""
        return (
            self.labels is not None
            and self.labels.dtype == object
            and len(set(self.labels[self.labelled])) > 1
        )

    def input_of(self, entry: str) -> Matrix:
        """Return what an entry reads."""
        return self.outputs[self.fitted.settings.tricks[entry].input]


def take_sample(
    fitted: FittedRecipe,
    source: DuckDBSource,
    repo: Path,
    *,
    labels: pd.DataFrame | None = None,
    label_name: str = "label",
    rows: int = 2_000,
    seed: int = 0,
    progress: Callable[[float], Any] | None = None,
) -> Sample:
    """Read texts, every revision alike, and compute the recipe's features once.

    Parameters
    ----------
    fitted : FittedRecipe
    source : DuckDBSource
        With `key_columns`.
    repo : Path
    labels : DataFrame, optional
        Key columns and ``label``.
    label_name : str
        Shown for the label.
    rows : int, default 2000
        Texts drawn.
    seed : int, default 0
    progress : callable, optional
        Called with the share of the texts encoded, from 0 to 1.

    Raises
    ------
    EmbfeastError
        The source cannot be read, or has no text.
    """
    keys = list(source.key_columns)
    drawn, counted = _read(source, repo, keys, rows, seed)
    texts = joined_texts(drawn, source.text_columns)
    kept = [row for row, text in enumerate(texts) if not is_missing(text)]
    if not kept:
        raise EmbfeastError(f"source {source.name!r} has no text; there is nothing to report on")
    own = [str(texts[row]) for row in kept]
    done = 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(min(done / len(own), 1.0))

    outputs = fitted.matrices(own, fitted.entries, progress=told)
    times = pd.DatetimeIndex(drawn[source.timestamp_field].to_pandas()).take(kept)
    found = None if labels is None else _labels(drawn.take(kept), labels, keys)
    return Sample(fitted, own, times, found, label_name, outputs, seed, counted)


def _read(
    source: DuckDBSource, repo: Path, keys: list[str], rows: int, seed: int
) -> tuple[pa.Table, Source]:
    total = source.count(repo)
    chosen = np.arange(total)
    if rows < total:
        chosen = np.sort(np.random.default_rng(seed).choice(total, rows, replace=False))
    start, missing, taken = 0, 0, []
    lengths: list[int] = []
    first: Any = None
    last: Any = None
    for chunk in source.read_texts(repo, keys=keys):
        end = start + chunk.num_rows
        taken.append(chunk.take(chosen[(chosen >= start) & (chosen < end)] - start))
        start = end
        texts = joined_texts(chunk, source.text_columns)
        lengths += [len(text) for text in texts if text is not None]
        missing += sum(map(is_missing, texts))
        events = chunk[source.timestamp_field]
        first = events[0].as_py() if first is None else first  # rows come in order of time
        last = events[-1].as_py()
    if not taken:
        raise EmbfeastError(f"source {source.name!r} has no rows; there is nothing to report on")
    counted = Source(
        start, missing, np.array(lengths, dtype=np.int64), pd.Timestamp(first), pd.Timestamp(last)
    )
    return pa.concat_tables(taken).combine_chunks(), counted


def _labels(drawn: pa.Table, labels: pd.DataFrame, keys: list[str]) -> NDArray[Any] | None:
    """Return each row's label by its key; keys are compared as text, as files keep them."""
    known = dict(zip(_as_text(labels[keys]), labels["label"], strict=True))
    found = pd.Series(
        [known.get(key) for key in _as_text(drawn.select(keys).to_pandas())], dtype=object
    )
    present = found.notna()
    if not present.any():
        return None
    values = found[present].infer_objects().to_numpy()
    if is_number(values):
        return np.asarray(found.astype(np.float64))
    found[present] = found[present].astype(str)
    found[~present] = None
    return np.asarray(found, dtype=object)


def _as_text(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    return list(frame.astype(str).itertuples(index=False, name=None))
