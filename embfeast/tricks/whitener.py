"""Trick 5: directions equalised, with restraint."""

import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage

from embfeast.tricks.rowwise import product
from embfeast.tricks.trick import Trick, Vectors, check_choice, check_number, fix_signs

METHODS = ("zca", "pca")


class Whitener(Trick):
    """Equalise the variance of the embedding's directions, fully or in part.

    Parameters
    ----------
    method : {"zca", "pca"}, default "zca"
        ZCA turns back into the original axes, PCA keeps the components.
    n_components : int, optional
        Keep this many of the strongest directions; all by default. ZCA then projects.
    strength : float, default 0.5
        From 0 (only centred) to 1 (all kept directions have equal variance): a direction's
        standard deviation is divided by itself to this power.
    shrinkage : "auto" or float from 0 to 1, default "auto"
        How far the covariance is drawn towards equal variance before it is inverted; "auto" is
        Ledoit and Wolf's estimate.
    floor : float, default 1e-3
        Least variance of a direction, as a share of the largest. Directions below it are divided
        by the floor instead, so that empty ones never blow up.
    drop_top : int, default 0
        Leave out this many of the strongest directions.

    Attributes
    ----------
    mean_ : ndarray of shape (dim,), float64
    matrix_ : ndarray of shape (dim, outputs), float64
        What centred vectors are multiplied by.
    spectrum_ : ndarray of shape (directions,), float64
        Variance by direction after shrinkage, falling.
    shrinkage_ : float

    Notes
    -----
    Contrastively trained encoders already spread their directions, and three of this default
    model's are empty: full whitening without shrinkage and floor ruins them. The default is mild.

    References
    ----------
    .. [1] Kessy, A. et al., "Optimal whitening and decorrelation", The American Statistician, 2018.
    .. [2] Ledoit, O. and Wolf, M., "A well-conditioned estimator for large-dimensional covariance
       matrices", J. Multivariate Analysis 88, 2004.
    .. [3] Su, J. et al., "Whitening sentence representations", 2021.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(500, 3)) * [10, 1, 0]
    >>> full = Whitener("pca", strength=1, shrinkage=0.0, n_components=2).fit_transform(X)
    >>> full.std(axis=0).round(2).tolist()
    [1.0, 1.0]
    """

    def __init__(
        self,
        method: Literal["zca", "pca"] = "zca",
        *,
        n_components: int | None = None,
        strength: float = 0.5,
        shrinkage: Literal["auto"] | float = "auto",
        floor: float = 1e-3,
        drop_top: int = 0,
    ) -> None:
        self.method = method
        self.n_components = n_components
        self.strength = strength
        self.shrinkage = shrinkage
        self.floor = floor
        self.drop_top = drop_top

    def _fit(self, X: Vectors) -> None:
        self._check_settings(X)
        rows = X.astype(np.float64)
        self.mean_ = rows.mean(axis=0)
        rows -= self.mean_
        covariance = rows.T @ rows / len(rows)
        self.shrinkage_ = self._amount(rows)
        evenly = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        shrunk = (1 - self.shrinkage_) * covariance + self.shrinkage_ * evenly
        variances, axes = np.linalg.eigh(shrunk)
        self.spectrum_ = np.maximum(variances[::-1], 0.0)
        axes = fix_signs(axes.T[::-1])
        kept = self._kept(X)
        floored = np.maximum(self.spectrum_, self.floor * self.spectrum_[0])
        # No variance at all: identical rows, which stay at the centre whatever they are divided by.
        scale = np.where(floored > 0, floored, 1.0) ** (-self.strength / 2)
        self.matrix_ = (axes[kept] * scale[kept, None]).T
        if self.method == "zca":
            self.matrix_ = self.matrix_ @ axes[kept]

    def _check_settings(self, X: Vectors) -> None:
        check_choice(self, "method", METHODS)
        check_number(self, "strength", 0, 1)
        check_number(self, "floor", 0, 1)
        check_number(self, "drop_top", 0, X.shape[1] - 1)
        if self.n_components is not None:
            check_number(self, "n_components", 1)
        if isinstance(self.shrinkage, str):
            check_choice(self, "shrinkage", ("auto", "a number from 0 to 1"))
        else:
            check_number(self, "shrinkage", 0, 1)

    def _amount(self, centred: NDArray[np.float64]) -> float:
        if self.shrinkage != "auto":
            return float(self.shrinkage)
        if len(centred) < 2 or not centred.any():
            return 1.0
        return float(ledoit_wolf_shrinkage(centred, assume_centered=True))

    def _kept(self, X: Vectors) -> NDArray[np.int64]:
        first, last = int(self.drop_top), X.shape[1]
        if self.n_components is not None:
            last = min(first + int(self.n_components), last)
            # Centred rows span at most one direction less than there are rows.
            most = max(min(last, len(X) - 1), first + 1)
            if most - first < self.n_components:
                warnings.warn(
                    f"Whitener: {self.n_components} directions asked, but {len(X)} rows of "
                    f"{X.shape[1]} columns have at most {most - first}",
                    stacklevel=4,
                )
            last = most
        return np.arange(first, last)

    def _transform(self, X: Vectors) -> NDArray[np.float64]:
        return product(X - self.mean_, self.matrix_)

    def _names(self) -> list[str]:
        return [f"whitened_{i:03d}" for i in range(self.matrix_.shape[1])]
