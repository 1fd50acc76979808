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

    Attributes
    ----------
    rows : int
    mean : ndarray of shape (d,), float64
    scatter : ndarray of shape (d, d), float64
        Sum over the rows of the outer product of each row's difference to the mean.
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

    Parameters
    ----------
    chunks : callable
        Starts a pass: returns an iterable of ndarrays of shape (n, d).

    References
    ----------
    .. [1] Chan, T. F. et al., "Updating formulae and a pairwise algorithm for computing sample
       variances", COMPSTAT 1982.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> halves = moments(lambda: [X[:40], X[40:]])
    >>> halves.rows, bool(np.allclose(halves.covariance, np.cov(X.T, bias=True)))
    (100, True)
    """
    rows, mean, scatter = 0, np.zeros(0), np.zeros((0, 0))
    for chunk in chunks():
        X = np.asarray(chunk, dtype=np.float64)
        if not len(X):
            continue
        own = X.mean(axis=0)
        centred = X - own
        if rows == 0:
            rows, mean, scatter = len(X), own, centred.T @ centred
            continue
        total = rows + len(X)
        apart = own - mean
        scatter += centred.T @ centred + np.outer(apart, apart) * (rows * len(X) / total)
        mean = mean + apart * (len(X) / total)
        rows = total
    if rows == 0:
        raise ValueError("there are no rows to fit on")
    return Moments(rows, mean, scatter)


def axes_of(symmetric: Matrix) -> tuple[Matrix, Matrix]:
    """Return the eigenvectors of a symmetric matrix as rows, strongest first, and their values.

    Parameters
    ----------
    symmetric : ndarray of shape (d, d), float64
        Positive semi-definite; negative rounding errors are set to zero.

    Returns
    -------
    axes : ndarray of shape (d, d), float64
        Orthonormal rows; the largest loading of each is positive.
    values : ndarray of shape (d,), float64
        In falling order.
    """
    values, vectors = np.linalg.eigh(symmetric)
    return fix_signs(vectors.T[::-1]), np.maximum(values[::-1], 0.0)


def axes_of_rows(X: Matrix) -> tuple[Matrix, Matrix]:
    """Return the right singular vectors of rows and their squared singular values.

    Better than `axes_of` of their products where rows are few: the weak axes keep their digits.

    Returns
    -------
    axes : ndarray of shape (min(n, d), d), float64
    squares : ndarray of shape (min(n, d),), float64
    """
    _, singular, axes = np.linalg.svd(X, full_matrices=False)
    return fix_signs(axes), singular**2


def fix_signs(axes: Matrix) -> Matrix:
    """Turn each axis (row) so that its largest loading is positive.

    An axis is only known up to its sign, which differs between libraries and machines.
    """
    rows = np.arange(len(axes))
    turned: Matrix = axes * np.sign(axes[rows, np.abs(axes).argmax(axis=1)])[:, None]
    return turned
