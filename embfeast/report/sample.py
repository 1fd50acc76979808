"""The texts that the report looks at, with times and labels, and what the recipe makes of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.plugin.source import DuckDBSource
from embfeast.recipe import FittedRecipe
from embfeast.recipe.encoded import Matrix, is_missing
from embfeast.recipe.settings import PLAIN
from embfeast.texts.opened import joined_texts
from embfeast.tricks.parts.occasions import owners_of
from embfeast.tricks.parts.rowwise import unit_rows
from embfeast.tricks.parts.selection import is_number


@dataclass(frozen=True)
class SourceCounts:
    """What one pass over the whole table has counted; lengths of texts in characters."""

    rows: int = 0
    missing: int = 0
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    first: pd.Timestamp | None = None
    last: pd.Timestamp | None = None


@dataclass
class ReportSample:
    """A sample of the texts in order of time, and the recipe's output for it by entry.

    Labels are str classes (None where a text has none), or float64 numbers (NaN); entities are who
    wrote each text, by the columns that the recipe names.
    """

    fitted: FittedRecipe
    texts: list[str]
    times: pd.DatetimeIndex
    labels: NDArray[Any] | None
    label_name: str
    outputs: dict[str, Matrix]
    seed: int = 0
    source: SourceCounts = field(default_factory=SourceCounts)
    entities: dict[str, list[str | None]] = field(default_factory=dict)

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

    def sides_of(self, entry: str) -> tuple[Matrix, Matrix]:
        """Return what an entry on pairs reads of each text where it is the left, and the right."""
        left, right = self.fitted.settings.tricks[entry].sides
        return self.outputs[left], self.outputs[right]


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
) -> ReportSample:
    """Read texts, every revision alike, and compute the recipe's features once.

    Labels (key columns and ``label``) are shown under `label_name`; `progress` is called with the
    share of the texts encoded.
    """
    keys = list(source.key_columns)
    drawn, counted = _read(source, repo, rows, seed, fitted.settings.entity_columns)
    texts = joined_texts(drawn, source.text_columns)
    kept = [row for row, text in enumerate(texts) if not is_missing(text)]
    if not kept:
        raise EmbfeastError(f"source {source.name!r} has no text; there is nothing to report on")
    present = [str(texts[row]) for row in kept]
    done = 0

    def count_encoded(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(min(done / len(present), 1.0))

    times = pd.DatetimeIndex(drawn[source.timestamp_field].to_pandas()).take(kept)
    owners = drawn.select(keys).take(kept) if keys else None
    outputs = fitted.matrices(
        present, fitted.alone_entries, times=times, keys=owners, progress=count_encoded
    )
    entities = {name: drawn[name].take(kept).to_pylist() for name in fitted.settings.entity_columns}
    if entities:
        outputs |= _histories(fitted, source, repo, drawn.take(kept))
    row_labels = None if labels is None else _labels(drawn.take(kept), labels, keys)
    return ReportSample(
        fitted, present, times, row_labels, label_name, outputs, seed, counted, entities
    )


def _histories(
    fitted: FittedRecipe, source: DuckDBSource, repo: Path, drawn: pa.Table
) -> dict[str, Matrix]:
    """Return what entries give that compare the sample with all that its entities wrote before."""
    keys, columns = list(source.key_columns), fitted.settings.entity_columns
    with source.open(repo, entities=columns) as opened:
        last = pc.max(drawn[source.timestamp_field]).as_py()
        found = [
            opened.of_entities(name, pa.table({name: pc.unique(drawn[name].drop_null())}), last)
            for name in columns
        ]
    rows = pa.concat_tables([drawn, *found]).unify_dictionaries()
    # The sample's own rows come first, and are found again among what entities wrote.
    identity = owners_of(rows.select([*keys, *opened.columns.times]), rows.num_rows)
    firsts = np.sort(np.unique(identity, return_index=True)[1])
    rows = rows.take(pa.array(firsts))
    order = pc.sort_indices(rows, [(time, "ascending") for time in opened.columns.times])
    rows = rows.take(order)
    texts = joined_texts(rows, source.text_columns)
    there = np.array([not is_missing(text) for text in texts])
    rows = rows.filter(pa.array(there))
    histories = [name for name in fitted.entries if name not in fitted.alone_entries]
    made = fitted.matrices(
        [str(text) for text in texts if not is_missing(text)],
        histories,
        times=rows[source.timestamp_field],
        keys=rows.select(keys),
        entities=rows.select(columns),
    )
    places = np.argsort(order.to_numpy()[there])[: drawn.num_rows]
    return {name: made[name][places] for name in histories}


def _read(
    source: DuckDBSource, repo: Path, rows: int, seed: int, entities: Sequence[str]
) -> tuple[pa.Table, SourceCounts]:
    start, missing, taken = 0, 0, []
    lengths: list[int] = []
    first: Any = None
    last: Any = None
    with source.open(repo, entities=entities) as opened:
        for chunk, chosen in opened.read_sampled(rows, seed):
            taken.append(chunk.take(chosen))
            start += chunk.num_rows
            texts = joined_texts(chunk, source.text_columns)
            lengths += [len(text) for text in texts if text is not None]
            missing += sum(map(is_missing, texts))
            events = chunk[source.timestamp_field]
            first = events[0].as_py() if first is None else first  # rows come in order of time
            last = events[-1].as_py()
    if not taken:
        raise EmbfeastError(f"source {source.name!r} has no rows; there is nothing to report on")
    counted = SourceCounts(
        start, missing, np.array(lengths, dtype=np.int64), pd.Timestamp(first), pd.Timestamp(last)
    )
    return pa.concat_tables(taken).combine_chunks(), counted


def _labels(drawn: pa.Table, labels: pd.DataFrame, keys: list[str]) -> NDArray[Any] | None:
    """Return each row's label by its key; keys are compared as text, as files keep them."""
    known = dict(zip(_as_text(labels[keys]), labels["label"], strict=True))
    row_labels = pd.Series(
        [known.get(key) for key in _as_text(drawn.select(keys).to_pandas())], dtype=object
    )
    present = row_labels.notna()
    if not present.any():
        return None
    values = row_labels[present].infer_objects().to_numpy()
    if is_number(values):
        return np.asarray(row_labels.astype(np.float64))
    row_labels[present] = row_labels[present].astype(str)
    row_labels[~present] = None
    return np.asarray(row_labels, dtype=object)


def _as_text(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    return list(frame.astype(str).itertuples(index=False, name=None))
