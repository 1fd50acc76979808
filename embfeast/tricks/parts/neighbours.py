"""Nearest neighbours by exact distance: what is kept of them, and means over them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

# Pairs of rows grow with the square.
MOST_ROWS = 2_000
CHUNK = 512


class Neighbours:
    """The training rows nearest to a row, by Euclidean distance."""

    def __init__(self, reference: NDArray[Any], count: int) -> None:
        self.reference = np.asarray(reference, dtype=np.float64)
        self.count = count

    def mean_of(self, values: NDArray[Any], X: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean of the neighbours' values, weighted by closeness.

        A training row gets its own value. A row has the same bits alone and in any batch:
        distances are computed pair by pair.
        """
        result = np.empty((len(X), values.shape[1]))
        for start in range(0, len(X), CHUNK):
            distances = cdist(np.asarray(X[start : start + CHUNK], np.float64), self.reference)
            nearest = np.argsort(distances, axis=1, kind="stable")[:, : self.count]
            near = np.take_along_axis(distances, nearest, axis=1)
            exact = near[:, :1] == 0
            safe = np.where(near == 0, 1.0, near)
            weights = np.where(exact, near == 0, near[:, -1:] / safe)
            # A row that equals several training rows takes the first of them.
            weights = np.where(exact, np.arange(self.count) == 0, weights)
            mixed = (values[nearest] * weights[:, :, None]).sum(axis=1)
            result[start : start + CHUNK] = mixed / weights.sum(axis=1, keepdims=True)
        return result


def overlap(before: NDArray[Any], after: NDArray[Any], count: int) -> float:
    """Return the share, from 0 to 1, of each row's nearest neighbours that stay among its nearest.

    The first 2,000 rows are compared.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(50, 4))
    >>> overlap(X, 3 * X, 5)
    1.0
    """
    n = min(len(before), MOST_ROWS)
    count = min(count, n - 1)
    if count < 1:
        return 1.0
    sets = []
    for rows in (before[:n], after[:n]):
        distances = cdist(rows, rows)
        np.fill_diagonal(distances, np.inf)
        sets.append(np.argsort(distances, axis=1, kind="stable")[:, :count])
    kept = [np.intersect1d(a, b).size for a, b in zip(*sets, strict=True)]
    return float(np.mean(kept) / count)
