"""What neighbours' labels say: shares of labels, or mean, spread and quantiles of a number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embfeast.tricks.parts.selection import is_number
from embfeast.tricks.trick import identifier

Places = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class LabelBank:
    """The labels that are known: numbers, or places among names; the rare ones share a place."""

    values: Numbers
    labels: list[str]
    is_number: bool
    has_rare: bool

    def features(
        self,
        places: Places,
        cosines: Numbers,
        *,
        weighted: bool,
        outputs: Sequence[str],
        quantiles: Sequence[float],
    ) -> Numbers:
        """Return the columns of rows whose neighbours lie at these places; -1 is none."""
        seen = places >= 0
        weights = np.where(seen, np.maximum(cosines, 0) if weighted else 1.0, 0.0)
        # Where all cosines are 0 or less, all count the same.
        weights = np.where(weights.sum(axis=1, keepdims=True) > 0, weights, seen)
        total = weights.sum(axis=1, keepdims=True)
        weights = weights / np.where(total > 0, total, 1.0)
        count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
        blocks = []
        if "labels" in outputs:
            blocks.append(
                self._moments(places, seen, weights, quantiles)
                if self.is_number
                else self.shares(places, weights)
            )
        if "similarity" in outputs:
            blocks.append(cosines.sum(axis=1, keepdims=True) / count)
        if "novelty" in outputs:
            blocks.append(1 - cosines[:, :1])
        order = [name for name in ("labels", "similarity", "novelty") if name in outputs]
        return np.hstack([blocks[order.index(name)] for name in outputs])

    def shares(self, places: Places, weights: Numbers) -> Numbers:
        """Return the weight of each label among the neighbours."""
        shares = np.zeros((len(places), len(self.labels) + self.has_rare))
        rows = np.arange(len(places))
        labels = self.values[places].astype(np.int64)
        for column in range(places.shape[1]):
            shares[rows, labels[:, column]] += weights[:, column]
        return shares

    def _moments(
        self, places: Places, seen: NDArray[np.bool_], weights: Numbers, quantiles: Sequence[float]
    ) -> Numbers:
        values = np.where(seen, self.values[places], 0.0)
        mean = (weights * values).sum(axis=1, keepdims=True)
        spread = np.sqrt((weights * np.square(values - mean)).sum(axis=1, keepdims=True))
        ordered = np.sort(np.where(seen, values, np.inf), axis=1)
        ordered[~seen.any(axis=1)] = 0
        last = np.maximum(seen.sum(axis=1) - 1, 0)
        columns = [mean, spread]
        for quantile in quantiles:
            place = quantile * last
            low = np.floor(place).astype(np.int64)
            high = np.minimum(low + 1, last)
            one, other = (np.take_along_axis(ordered, at[:, None], axis=1) for at in (low, high))
            between = (place - low)[:, None]
            columns.append(one + between * (other - one))
        return np.hstack(columns)

    def names(self, outputs: Sequence[str], quantiles: Sequence[float]) -> list[str]:
        """Return the columns' names."""
        shares = _distinct([f"share_{identifier(label)}" for label in self.labels])
        if self.has_rare:
            shares = _distinct([*shares, "share_other"])
        numbers = [f"quantile_{round(100 * quantile):02d}" for quantile in quantiles]
        names = {
            "labels": ["mean", "spread", *_distinct(numbers)] if self.is_number else shares,
            "similarity": ["similarity"],
            "novelty": ["novelty"],
        }
        return [f"neighbour_{name}" for output in outputs for name in names[output]]

    def said(self, places: Sequence[int]) -> list[str]:
        """Return labels in words."""
        values = self.values[np.asarray(places, dtype=np.int64)]
        if self.is_number:
            return [f"{value:g}" for value in values]
        return [[*self.labels, "(rare)"][int(value)] for value in values]


def as_series(y: Any, count: int) -> pd.Series:
    """Return one label a row."""
    labels = pd.Series(np.asarray(y, dtype=object).reshape(-1)).infer_objects()
    if len(labels) != count:
        raise ValueError(f"there are {len(labels)} labels for {count} rows")
    return labels


def learn_labels(labels: pd.Series, target: str, rare: int) -> LabelBank:
    """Return labels, none missing, as they stand in a bank."""
    values = labels.to_numpy()
    numeric = pd.api.types.is_numeric_dtype(labels.dtype)
    if target == "number" or (target == "auto" and numeric and is_number(values)):
        try:
            numbers = values.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"LabelledNeighbours: target='number' of no numbers: {error}"
            ) from None
        if not np.isfinite(numbers).all():
            raise ValueError("a label is infinity; remove it")
        return LabelBank(numbers, [], is_number=True, has_rare=False)
    said = labels.astype(str).to_numpy(dtype=object)
    found, places, sizes = np.unique(said, return_inverse=True, return_counts=True)
    own = np.flatnonzero(sizes >= rare)
    column = np.full(len(found), len(own), dtype=np.float64)
    column[own] = np.arange(len(own))
    kept = [str(label) for label in found[own]]
    return LabelBank(column[places], kept, is_number=False, has_rare=len(own) < len(found))


def loss_by_count(
    bank: LabelBank, rows: Places, places: Places, counts: Sequence[int]
) -> list[float]:
    """Return how badly the first so many neighbours predict the rows' own labels.

    Squared error of a number; of classes the log-loss, with one neighbour more that has all labels
    in their shares.
    """
    truth = bank.values[rows]
    losses = []
    everything = np.bincount(bank.values.astype(np.int64)) if not bank.is_number else np.ones(1)
    for count in counts:
        seen = places[:, :count] >= 0
        number = seen.sum(axis=1)
        if bank.is_number:
            total = np.where(seen, bank.values[places[:, :count]], 0.0).sum(axis=1)
            mean = (total + bank.values.mean()) / (number + 1)
            losses.append(float(np.square(mean - truth).mean()))
        else:
            shares = bank.shares(places[:, :count], seen.astype(np.float64))
            prior = np.zeros(shares.shape[1])
            prior[: len(everything)] = everything / everything.sum()
            own = truth.astype(np.int64)
            right = (shares[np.arange(len(rows)), own] + prior[own]) / (number + 1)
            losses.append(float(-np.log(right).mean()))
    return losses


def _distinct(names: Sequence[Any]) -> list[str]:
    """Return names with a number where they come twice.

    Examples
    --------
    >>> _distinct(["late", "late", "new"])
    ['late', 'late_2', 'new']
    """
    made: list[str] = []
    for name in names:
        number, one = 2, name
        while one in made:
            one, number = f"{name}_{number}", number + 1
        made.append(one)
    return made
