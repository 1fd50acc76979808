"""The nearest rows of a bank by cosine: found by fast products, decided by exact ones.

A float32 product of matrices has other last bits in other shapes and on other cores. Here it only
rules out what lies further than its error away; what is left is multiplied pair by pair in float64,
so that a row has the same neighbours and the same similarities alone, in any batch and anywhere.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embfeast.tricks.parts.rowwise import unit_rows

ROWS, COLUMNS = 512, 8_192  # one product's
PAIRS = 8_192  # multiplied exactly at a time

Rows = NDArray[np.float32]
Numbers = NDArray[np.int64]
Found = tuple[Numbers, NDArray[np.float64]]


def unit(X: NDArray[Any]) -> Rows:
    """Scale rows to unit length, in float32; a row of zeros stays as it is."""
    return unit_rows(X).astype(np.float32)


def nearest(
    X: Rows, bank: Rows, count: int, limits: Numbers | None = None, hidden: Numbers | None = None
) -> Found:
    """Return the places and cosines of the `count` nearest rows of the bank, the nearest first.

    Parameters
    ----------
    X, bank : ndarray of shape (n, dim) and (m, dim), float32
        Unit vectors, as `unit` gives them.
    count : int
    limits : ndarray of shape (n,), int64, optional
        A row sees only so many of the first rows of the bank; all by default.
    hidden : ndarray of shape (pairs, 2), int64, optional
        A row of X, and a place of the bank that it does not see.

    Returns
    -------
    places : ndarray of shape (n, count), int64
        Of equal cosines the first place counts as nearer. -1 where the row sees no more.
    cosines : ndarray of shape (n, count), float64
        0 there.

    Examples
    --------
    >>> bank = unit(np.array([[1, 0], [0, 1], [1, 1], [1, 0]]))
    >>> nearest(bank[:2], bank, 2, limits=np.array([4, 1]))[0].tolist()
    [[0, 3], [0, -1]]
    """
    places = np.full((len(X), count), -1, dtype=np.int64)
    cosines = np.zeros((len(X), count))
    if limits is None:
        limits = np.full(len(X), len(bank), dtype=np.int64)
    hidden = np.empty((0, 2), dtype=np.int64) if hidden is None else hidden
    hidden = hidden[np.argsort(hidden[:, 0], kind="stable")]
    for first in range(0, len(X), ROWS):
        some = slice(first, first + ROWS)
        bounds = np.searchsorted(hidden[:, 0], [first, first + ROWS])
        own = hidden[slice(*bounds)] - np.array([first, 0])
        found = _candidates(X[some], bank, count, limits[some], own)
        places[some], cosines[some] = nearest_of(X[some], bank, count, *found)
    return places, cosines


def nearest_of(X: Rows, bank: Rows, count: int, rows: Numbers, candidates: Numbers) -> Found:
    """Return the same of pairs of a row and a candidate place, multiplied exactly."""
    places = np.full((len(X), count), -1, dtype=np.int64)
    cosines = np.zeros((len(X), count))
    exact = _exact(X, bank, rows, candidates)
    order = np.lexsort((candidates, -exact, rows))
    rows, candidates, exact = rows[order], candidates[order], exact[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = rank < count
    places[rows[kept], rank[kept]] = candidates[kept]
    cosines[rows[kept], rank[kept]] = exact[kept]
    return places, cosines


def of_other_folds(X: Rows, bank: Rows, count: int, fold: Numbers, own: Numbers) -> Found:
    """Return the same where each row sees what lies in other folds of the bank than its own place.

    A row whose place is -1 lies in no fold, and sees all.
    """
    places = np.full((len(X), count), -1, dtype=np.int64)
    cosines = np.zeros((len(X), count))
    of_row = np.where(own >= 0, fold[own], -1)
    for number in np.unique(of_row):
        rows = np.flatnonzero(of_row == number)
        others = np.flatnonzero(fold != number)
        found, cosines[rows] = nearest(X[rows], bank[others], count)
        places[rows] = np.where(found >= 0, np.append(others, -1)[found], -1)
    return places, cosines


def repeats(bank: Rows) -> Numbers:
    """Return how many equal rows come before each row.

    Examples
    --------
    >>> repeats(np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)).tolist()
    [0, 0, 1]
    """
    whole = np.ascontiguousarray(bank).view(f"V{bank.itemsize * bank.shape[1]}").reshape(-1)
    _, group = np.unique(whole, return_inverse=True)
    order = np.argsort(group, kind="stable")
    count = np.empty(len(bank), dtype=np.int64)
    count[order] = np.arange(len(bank)) - np.searchsorted(group[order], group[order])
    return count


def _candidates(
    X: Rows, bank: Rows, count: int, limits: Numbers, hidden: Numbers
) -> tuple[Numbers, Numbers]:
    """Return pairs (row, place), among which each row's nearest are for certain."""
    # What a float32 product of unit vectors may be off by, once for each side of a comparison.
    margin = np.float32(2 * (X.shape[1] + 2) * np.finfo(np.float32).eps)
    best = np.full((len(X), count), -np.inf, dtype=np.float32)
    found: list[tuple[Numbers, Numbers, Rows]] = []
    for first, products in _products(X, bank, limits, hidden):
        if not found:
            best = _largest(np.hstack([best, _largest(products, count)]), count)
        rows, columns = np.divmod(
            np.flatnonzero(products >= _least(best, margin)[:, None]), products.shape[1]
        )
        values = products[rows, columns]
        if found:  # few of a later part come near
            best = _largest(np.hstack([best, _side_by_side(rows, values, len(X))]), count)
        found.append((rows, columns + first, values))
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rows, places, values = (np.concatenate(part) for part in zip(*found, strict=True))
    kept = values >= _least(best, margin)[rows]
    return rows[kept], places[kept]


def _products(X: Rows, bank: Rows, limits: Numbers, hidden: Numbers) -> Iterator[tuple[int, Rows]]:
    """Yield the products with a part of the bank after the other; -inf where a row sees nothing."""
    seen = int(limits.max(initial=0))
    for first in range(0, seen, COLUMNS):
        part = bank[first : min(first + COLUMNS, seen)]
        products = X @ part.T
        late = limits < first + len(part)
        if late.any():
            columns = np.arange(first, first + len(part))
            products[late] = np.where(columns >= limits[late, None], -np.inf, products[late])
        own = (hidden[:, 1] >= first) & (hidden[:, 1] < first + len(part))
        products[hidden[own, 0], hidden[own, 1] - first] = -np.inf
        yield first, products


def _largest(values: Rows, count: int) -> Rows:
    if values.shape[1] <= count:
        return values
    return np.partition(values, -count, axis=1)[:, -count:]


def _least(best: Rows, margin: np.float32) -> Rows:
    """Return what a row's candidates reach: any product, where it has seen too few."""
    return np.asarray(np.maximum(best.min(axis=1), -2) - margin)


def _side_by_side(rows: Numbers, values: Rows, count: int) -> Rows:
    """Lay each row's values, whose rows rise, into a row of a matrix, filled up with -inf."""
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    matrix = np.full((count, int(place.max(initial=-1)) + 1), -np.inf, dtype=np.float32)
    matrix[rows, place] = values
    return matrix


def _exact(X: Rows, bank: Rows, rows: Numbers, places: Numbers) -> NDArray[np.float64]:
    """Return the products pair by pair."""
    exact = np.empty(len(rows))
    for first in range(0, len(rows), PAIRS):
        some = slice(first, first + PAIRS)
        pairs = X[rows[some]].astype(np.float64) * bank[places[some]]
        exact[some] = pairs.sum(axis=1)
    return exact
