"""Folds: which rows are learned from, and which are scored."""

import itertools
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

from embfeast.errors import EmbfeastError

SplitBy = Literal["time", "stratified"]
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]
# The first share of the rows is never scored in a split by time: something must come before.
FIRST_SHARE = 0.5
LEAST_ROWS = 4


def folds_by_time(timestamps: Any, count: int, rows: int | None = None) -> list[Fold]:
    """Cut the later half of the rows into slices of time; each is predicted from all before it.

    Parameters
    ----------
    timestamps : sequence of datetime, length n
        Rows of one time fall into one slice, so that nothing is predicted from its own moment.
    count : int
        Slices.
    rows : int, optional
        Learn from at most this many rows, the latest before the slice.

    Returns
    -------
    list of (train, test)
        Row numbers; fewer folds where times coincide.

    Raises
    ------
    EmbfeastError
        There are too few rows or moments.

    Examples
    --------
    >>> days = pd.date_range("2026-01-01", periods=8, tz="UTC")
    >>> [(train.tolist(), test.tolist()) for train, test in folds_by_time(days, 2)]
    [([0, 1, 2, 3], [4, 5]), ([0, 1, 2, 3, 4, 5], [6, 7])]
    """
    moments = pd.Series(pd.to_datetime(pd.Series(list(timestamps)), utc=True))
    if moments.isna().any():
        raise EmbfeastError(
            f"{int(moments.isna().sum())} rows have no timestamp; give one for every row, or "
            "split='stratified'"
        )
    order = np.argsort(moments.to_numpy(), kind="stable")
    ordered = moments.to_numpy()[order]
    places = np.linspace(FIRST_SHARE * len(order), len(order), count + 1).astype(int)
    # A slice starts with the first row of its moment.
    bounds = sorted({int(np.searchsorted(ordered, ordered[p])) for p in places[:-1]} | {len(order)})
    folds = [
        (order[:start][-(rows or start) :], order[start:end])
        for start, end in itertools.pairwise(bounds)
        if start >= LEAST_ROWS
    ]
    if not folds:
        raise EmbfeastError(
            f"{len(order)} rows at {len(np.unique(ordered))} moments cannot be split by time; "
            "give more rows, or split='stratified'"
        )
    return folds


def folds_by_chance(
    labels: NDArray[Any], count: int, seed: int, *, is_number: bool, rows: int | None = None
) -> list[Fold]:
    """Cut the rows into folds at random, with the classes' shares kept.

    Parameters
    ----------
    labels : ndarray of shape (n,)
    count : int
        Folds; each row is scored once.
    seed : int
    is_number : bool
        Labels are numbers, which have no shares to keep.
    rows : int, optional
        Learn from at most this many rows a fold.

    Raises
    ------
    EmbfeastError
        A class has fewer rows than there are folds.
    """
    if is_number:
        splitter: Any = KFold(count, shuffle=True, random_state=seed)
    else:
        classes, sizes = np.unique(labels, return_counts=True)
        if sizes.min() < 2:
            raise EmbfeastError(
                f"class {str(classes[sizes.argmin()])!r} has one row; a class needs two, to learn "
                "from one and score the other"
            )
        splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
    if len(labels) < max(count, LEAST_ROWS):
        raise EmbfeastError(f"{len(labels)} rows are too few for {count} folds")
    folds = list(_quietly(splitter, labels))
    if rows is None:
        return folds
    rng = np.random.default_rng(seed)
    return [(np.sort(rng.permutation(train)[:rows]), test) for train, test in folds]


def _quietly(splitter: Any, labels: NDArray[Any]) -> list[Fold]:
    """Split without scikit-learn's warning on classes smaller than the number of folds.

    Such a class is then missing from some folds' tests, which the bootstrap over folds covers.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return list(splitter.split(np.zeros(len(labels)), labels))
