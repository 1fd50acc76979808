"""What is predicted: the rows that can be used, their folds, and how that was decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.evaluation.labels import TaskKind, is_uneven, read_labels
from embfeast.evaluation.measures import ACCURACY, BALANCED, R2
from embfeast.evaluation.models import MAJORITY, MEAN, WORDS
from embfeast.evaluation.splits import Fold, SplitBy, at_most, cut
from embfeast.recipe.encoded import is_missing


@dataclass(frozen=True)
class Written:
    """All texts that are there, also those without a label: what entities wrote before others.

    `rows` are the places among them of those that are learned from and scored.
    """

    texts: list[str]
    times: pd.Series
    entities: dict[str, pd.Series]
    rows: NDArray[np.int64]

    def of(self, rows: NDArray[np.int64]) -> dict[str, list[Any]]:
        """Return the entities of rows that are learned from or scored."""
        places = self.rows[rows]
        return {name: column.iloc[places].tolist() for name, column in self.entities.items()}


@dataclass(frozen=True)
class Task:
    """The rows that can be used, their folds, and how many were left out."""

    texts: list[str]
    labels: NDArray[Any]
    kind: TaskKind
    split: SplitBy
    folds: list[Fold]
    left_out: int
    seed: int
    times: pd.Series | None = None
    notes: list[str] = field(default_factory=list)
    written: Written | None = None

    @property
    def is_number(self) -> bool:
        """Whether the label's size counts."""
        return self.kind != "classes"

    @property
    def weigh(self) -> bool:
        """Whether classes are so uneven that each counts alike."""
        return not self.is_number and is_uneven(self.labels)

    @property
    def measure(self) -> str:
        """What sets are ranked by."""
        return R2 if self.is_number else BALANCED if self.weigh else ACCURACY

    @property
    def baselines(self) -> tuple[str, str]:
        """What stands beside the sets without features."""
        return (MEAN if self.is_number else MAJORITY), WORDS

    @property
    def learned(self) -> int:
        """Rows of the fold that learns from most."""
        return max(len(train) for train, _ in self.folds)

    def at_most(self, rows: int | None) -> list[Fold]:
        """Return the folds, each learning from at most so many rows."""
        return at_most(self.folds, rows, self.split, self.seed)


def prepare(
    texts: Sequence[str | None],
    labels: Sequence[Any],
    *,
    timestamps: Any = None,
    groups: Any = None,
    split: SplitBy | None = None,
    folds: int = 10,
    train_rows: int | None = None,
    task: TaskKind | None = None,
    most_texts: int | None = None,
    entities: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Task:
    """Return the rows that can be used and their folds; at most `most_texts`, drawn at random."""
    texts = list(texts)  # a pandas Series would be asked by its index, not by position
    all_labels = pd.Series(list(labels), dtype=object)
    if len(all_labels) != len(texts):
        raise EmbfeastError(f"there are {len(all_labels)} labels for {len(texts)} texts")
    if folds < 2:
        raise EmbfeastError(f"folds={folds} is not valid; give at least 2, better 10")
    kept = np.flatnonzero(
        [
            not is_missing(t) and not pd.isna(label)
            for t, label in zip(texts, all_labels, strict=True)
        ]
    )
    if not len(kept):
        raise EmbfeastError("no row has both a text and a label")
    known, kind, why = read_labels(all_labels.iloc[kept].tolist(), task)
    if len(np.unique(known)) < 2:
        raise EmbfeastError(
            f"the label is {str(known[0])!r} in every row; there is nothing to tell"
        )
    left_out, notes = len(texts) - len(kept), [f"label: {why}"] if why else []
    if most_texts is not None and len(kept) > most_texts:
        drawn = _drawn(known, most_texts, seed, by_class=kind == "classes")
        notes.append(
            f"a sample of {len(drawn):,} of {len(kept):,} texts, for the budget's sake: what it "
            "says holds for as many labels; --budget none takes all"
        )
        kept, known = kept[drawn], known[drawn]
    grades = kind == "ordered" and int(np.unique(known, return_counts=True)[1].min()) > 1
    times = _rows_of(timestamps, "timestamps", texts, kept)
    written = _written(texts, timestamps, entities, kept) if entities else None
    split, made, reason = cut(
        known,
        split,
        folds,
        seed,
        by_class=kind == "classes" or grades,
        timestamps=times,
        groups=_rows_of(groups, "groups", texts, kept),
    )
    notes += [reason] if reason else []
    return Task(
        texts=[str(texts[int(i)]) for i in kept],
        labels=known,
        kind=kind,
        split=split,
        folds=at_most(made, train_rows, split, seed),
        left_out=left_out,
        seed=seed,
        times=times if split == "time" else None,
        notes=notes,
        written=written,
    )


def _written(
    texts: list[Any], timestamps: Any, entities: Mapping[str, Any], kept: NDArray[np.int64]
) -> Written:
    if timestamps is None:
        raise EmbfeastError("what an entity wrote before needs timestamps of the texts")
    there = np.flatnonzero([not is_missing(text) for text in texts])
    times = _taken(timestamps, "timestamps", texts, there)
    columns = {name: _taken(given, name, texts, there) for name, given in entities.items()}
    return Written([str(texts[i]) for i in there], times, columns, np.searchsorted(there, kept))


def _drawn(labels: NDArray[Any], count: int, seed: int, *, by_class: bool) -> NDArray[np.int64]:
    drawn = np.sort(np.random.default_rng(seed).permutation(len(labels))[:count])
    if by_class:  # of a class with one row left nothing can be learned and scored
        _, codes = np.unique(labels[drawn], return_inverse=True)
        drawn = drawn[np.bincount(codes)[codes] >= 2]
    return drawn


def _rows_of(
    given: Any, name: str, texts: Sequence[Any], kept: NDArray[np.int64]
) -> pd.Series | None:
    return None if given is None else _taken(given, name, texts, kept)


def _taken(given: Any, name: str, texts: Sequence[Any], kept: NDArray[np.int64]) -> pd.Series:
    rows = pd.Series(list(given))
    if len(rows) != len(texts):
        raise EmbfeastError(f"there are {len(rows)} {name} for {len(texts)} texts")
    return rows.iloc[kept].reset_index(drop=True)
