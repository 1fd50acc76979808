"""Count, mean and scatter of rows that come in chunks, and the axes that follow from them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Chunks = Callable[[], Iterable[NDArray[Any]]]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """What principal axes and whitening need to know of the rows.

    The scatter is the sum over the rows of the outer product of each one's difference to the mean.
    """

    rows: int
    mean: Matrix
    scatter: Matrix

    @property
    def covariance(self) -> Matrix:
        """Scatter divided by the number of rows."""
        return self.scatter / self.rows


def moments(chunks: Chunks) -> Moments:
    """Gather the moments of rows in one pass over chunks.

    Chunks are merged by their own means, so that a large common offset costs no digits.

    References
    ----------
    .. [1] Chan, T. F. et al., "Updating formulae and a pairwise algorithm for computing sample
       variances", COMPSTAT 1982.
    """
    rows, mean, scatter = 0, np.zeros(0), np.zeros((0, 0))
    for chunk in chunks():
        X = np.asarray(chunk, dtype=np.float64)
        if not len(X):
            continue
        chunk_mean = X.mean(axis=0)
        centred = X - chunk_mean
        if rows == 0:
            rows, mean, scatter = len(X), chunk_mean, centred.T @ centred
            continue
        total = rows + len(X)
        apart = chunk_mean - mean
        scatter += centred.T @ centred + np.outer(apart, apart) * (rows * len(X) / total)
        mean = mean + apart * (len(X) / total)
        rows = total
    if rows == 0:
        raise ValueError("there are no rows to fit on")
    return Moments(rows, mean, scatter)


def axes_of(symmetric: Matrix) -> tuple[Matrix, Matrix]:
    """Return the eigenvectors of a symmetric matrix as rows, strongest first, and their values.

    The matrix is positive semi-definite: negative rounding errors are set to zero.
    """
    values, vectors = np.linalg.eigh(symmetric)
    return fix_signs(vectors.T[::-1]), np.maximum(values[::-1], 0.0)


def axes_of_rows(X: Matrix) -> Matrix:
    """Return the right singular vectors of rows, strongest first.

    Better than `axes_of` of their products where rows are few: the weak axes keep their digits.
    """
    return fix_signs(np.linalg.svd(X, full_matrices=False)[2])


def principal_axes(X: Matrix) -> Matrix:
    """Return the axes of rows around their mean, strongest first, in the way that costs less."""
    if len(X) > 2 * X.shape[1]:  # the small symmetric problem has the same axes
        return axes_of(moments(lambda: [X]).scatter)[0]
    return axes_of_rows(X - X.mean(axis=0))


def first_rows(chunks: Chunks, most: int) -> NDArray[Any]:
    """Return at most so many rows, the first ones."""
    taken: list[NDArray[Any]] = []
    for rows in chunks():
        taken.append(rows[: most - sum(map(len, taken))])
        if sum(map(len, taken)) >= most:
            break
    return np.concatenate(taken)


def fix_signs(axes: Matrix) -> Matrix:
    """Turn each axis (row) so that its largest loading is positive.

    An axis is only known up to its sign, which differs between libraries and machines.
    """
    rows = np.arange(len(axes))
    turned: Matrix = axes * np.sign(axes[rows, np.abs(axes).argmax(axis=1)])[:, None]
    return turned
