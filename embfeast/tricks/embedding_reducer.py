"""Trick 2: fewer dimensions by PCA or truncated SVD."""

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from embfeast.tricks.rowwise import product
from embfeast.tricks.trick import Trick, Vectors, check_choice, check_number, fix_signs

METHODS = ("pca", "truncated_svd")


def principal_axes(
    X: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the strongest axes of rows, and the squared singular value of each axis there is.

    Parameters
    ----------
    X : ndarray of shape (n, d), float64
        Centred for PCA, as they are for truncated SVD.
    count : int

    Returns
    -------
    axes : ndarray of shape (count, d), float64
        Orthonormal rows, signs fixed.
    squares : ndarray of shape (min(n, d),), float64
        In falling order.
    """
    n, d = X.shape
    if n > 2 * d:  # the small symmetric problem has the same axes and needs far less work
        squares, vectors = np.linalg.eigh(X.T @ X)
        axes, squares = vectors.T[::-1], squares[::-1]
    else:
        _, singular, axes = np.linalg.svd(X, full_matrices=False)
        squares = singular**2
    return fix_signs(axes[:count]), np.maximum(squares, 0.0)


class EmbeddingReducer(Trick):
    """Reduce embeddings to their strongest components.

    Parameters
    ----------
    n_components : int, default 32
        Capped by rows and columns, with a warning.
    method : {"pca", "truncated_svd"}, default "pca"
        PCA centres first, truncated SVD does not.

    Attributes
    ----------
    components_ : ndarray of shape (components, dim), float64
        Orthonormal rows; the largest loading of each is positive.
    mean_ : ndarray of shape (dim,), float64
        Zero for truncated SVD.
    explained_variance_ratio_ : ndarray of shape (components,), float64

    Notes
    -----
    Components are not rescaled: distances between reduced rows approximate the original ones.
    The loss is measured by `reconstruction_error`.

    References
    ----------
    .. [1] Jolliffe, I. T., "Principal Component Analysis", 2nd edition, Springer, 2002.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(6, 384))
    >>> reducer = EmbeddingReducer(6).fit(X)
    >>> reducer.transform(X).shape, round(float(reducer.explained_variance_ratio_.sum()), 6)
    ((6, 6), 1.0)
    """

    def __init__(
        self,
        n_components: int = 32,
        *,
        method: Literal["pca", "truncated_svd"] = "pca",
    ) -> None:
        self.n_components = n_components
        self.method = method

    def _fit(self, X: Vectors) -> None:
        check_choice(self, "method", METHODS)
        check_number(self, "n_components", 1)
        rows = X.astype(np.float64)
        self.mean_ = rows.mean(axis=0) if self.method == "pca" else np.zeros(X.shape[1])
        count = min(int(self.n_components), *X.shape)
        if count < self.n_components:
            warnings.warn(
                f"EmbeddingReducer: {self.n_components} components asked, but {X.shape[0]} rows of "
                f"{X.shape[1]} columns have at most {count}",
                stacklevel=3,
            )
        self.components_, squares = principal_axes(rows - self.mean_, count)
        spread = ((rows - rows.mean(axis=0)) ** 2).sum()
        kept = squares[:count]
        if self.method == "truncated_svd":
            kept = product(rows, self.components_.T).var(axis=0) * len(rows)
        self.explained_variance_ratio_ = kept / spread if spread > 0 else np.zeros(count)

    def _transform(self, X: Vectors) -> NDArray[np.float64]:
        return product(X - self.mean_, self.components_.T)

    def inverse_transform(self, reduced: Any) -> Vectors:
        """Return the nearest vectors that the components can express.

        Parameters
        ----------
        reduced : array-like of shape (n, components)

        Returns
        -------
        ndarray of shape (n, dim), float32
        """
        check_is_fitted(self)
        return (product(np.asarray(reduced), self.components_) + self.mean_).astype(np.float32)

    def reconstruction_error(self, X: Any) -> float:
        """Return the share of the squared distance to the mean that is lost, from 0 to 1."""
        X = np.asarray(X, dtype=np.float32)
        lost = float(((X - self.inverse_transform(self.transform(X))) ** 2).sum())
        total = float(((X - self.mean_) ** 2).sum())
        return lost / total if total else 0.0

    def _names(self) -> list[str]:
        return [f"component_{i:02d}" for i in range(len(self.components_))]
