"""Directions that tell labels apart, and the earlier rows that they are learned from."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cross_decomposition import PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from embfeast.tricks.parts.moments import Matrix, fix_signs
from embfeast.tricks.parts.neighbour_labels import LabelBank
from embfeast.tricks.parts.occasions import UNKNOWN, Moments, Owners, microseconds, owners_of


def _none() -> Owners:
    return np.empty(0, dtype=np.uint64)


@dataclass(frozen=True)
class EarlierSlice:
    """What is learned from: labels known before a moment, or else those of some owners."""

    rows: NDArray[np.int64]
    until: int = UNKNOWN
    owners: Owners = field(default_factory=_none)


def earlier_slice(
    labels: pd.Series, share: float, *, times: Any, known: Any, keys: Any, as_of: Any
) -> EarlierSlice:
    """Return the share of the labels that was known first.

    Without `times` it is a share of the keys, drawn by their digests; without keys it is all.

    Raises
    ------
    ValueError
        There is no label, or no row that happened after the share's labels were known.
    """
    count, labelled = len(labels), labels.notna().to_numpy()
    if not labelled.any():
        raise ValueError(f"none of {count:,} rows has a label")
    if times is None:
        if keys is None:
            return EarlierSlice(np.flatnonzero(labelled))
        owners = owners_of(keys, count)
        drawn = labelled & (_evenly(owners) < share)
        return EarlierSlice(np.flatnonzero(drawn), owners=np.unique(owners[drawn]))
    happened = microseconds(times, count, "times")
    counts = happened if known is None else microseconds(known, count, "known")
    counts = np.maximum(counts, happened)
    if as_of is not None:
        labelled &= counts < microseconds([as_of], 1, "as_of")[0]
        if not labelled.any():
            raise ValueError(f"none of {count:,} rows has a label that was known before {as_of}")
    moments, sizes = np.unique(counts[labelled], return_counts=True)
    enough = int(np.searchsorted(np.cumsum(sizes), share * labelled.sum()))
    until = int(moments[min(enough + 1, len(moments) - 1)])
    if len(moments) < 2 or happened.max() < until:
        raise ValueError(
            f"no slice is earlier than the rows it would be used on: {labelled.sum():,} labels "
            f"were known from {_said(moments[0])} to {_said(moments[-1])}, the last row happened "
            f"{_said(happened.max())}; give the times at which labels were known, or take a method "
            "without labels"
        )
    return EarlierSlice(np.flatnonzero(labelled & (counts < until)), until)


def hidden(
    until: int, learned: Owners, times: Moments | None, owners: Owners | None
) -> NDArray[np.bool_] | None:
    """Tell which rows were there before the labels; None where that is not known."""
    if until != UNKNOWN:
        return None if times is None else times < until
    return None if owners is None else np.isin(owners, learned)


def pls_axes(X: Matrix, labels: LabelBank, count: int) -> Matrix:
    """Return the axes (rows) of partial least squares: of classes, each is a number 0 or 1."""
    values = labels.values[:, None]
    if not labels.is_number:
        values = (values == np.unique(values)).astype(np.float64)
    model = PLSRegression(count, scale=False)
    # The power method of its default takes hundreds of passes a direction for the same answer.
    model.algorithm = "svd"
    return fix_signs(model.fit(X, values).x_rotations_.T)


def lda_axes(X: Matrix, labels: LabelBank, count: int) -> Matrix:
    """Return the axes (rows) of linear discriminants, of a covariance shrunk as Ledoit and Wolf."""
    model = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto", n_components=count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a class with one row, which adds no covariance
        try:
            model.fit(X, labels.values.astype(np.int64))
        except np.linalg.LinAlgError:
            raise ValueError("rows of one class are all alike; nothing can be told apart") from None
    return fix_signs(model.scalings_.T[:count])


def most_axes(X: Matrix, labels: LabelBank, method: str) -> int:
    """Return how many axes the rows and their labels give.

    Raises
    ------
    ValueError
        They give none.
    """
    found, sizes = np.unique(labels.values, return_counts=True)
    if len(found) < 2:
        raise ValueError(f"all {len(X):,} labels are of one class; there is nothing to tell apart")
    centred = X - X.mean(axis=0)
    rank = int(np.linalg.matrix_rank(centred.T @ centred, hermitian=True))
    if method == "pls":
        return max(rank, 1)
    if labels.is_number:
        raise ValueError("method='lda' tells classes apart; of a number take method='pls'")
    if sizes.max() < 2:
        raise ValueError("each label is seen once; give more rows a label, or take method='pls'")
    return int(min(len(found) - 1, X.shape[1]))


def _evenly(owners: Owners) -> NDArray[np.float64]:
    """Return a number from 0 to 1 for each owner; their numbers may be small and in a row."""
    mixed = (owners * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)
    return mixed / 2**31


def _said(moment: int) -> str:
    return "ever" if moment == UNKNOWN else f"{pd.Timestamp(int(moment), unit='us'):%Y-%m-%d %H:%M}"
