"""Trick 7: products of reduced dimensions."""

from math import comb

import numpy as np
from numpy.typing import NDArray

from embfeast.tricks.embedding_reducer import principal_axes
from embfeast.tricks.rowwise import product
from embfeast.tricks.trick import Trick, Vectors, check_number


class FeatureSynthesizer(Trick):
    """Reduce, standardise, then add all squares and products of two.

    Parameters
    ----------
    n_components : int or None, default 8
        Reduce by PCA to this many first; None takes the columns as they are, which is right for
        an input that is reduced already.
    interaction_only : bool, default False
        Leave out squares.
    max_features : int, default 1024
        Refuse to make more columns than this, before any memory is spent.

    Attributes
    ----------
    mean_ : ndarray of shape (dim,), float64
    components_ : ndarray of shape (components, dim), float64
        Empty without a reduction.
    centre_, scale_ : ndarray of shape (components,), float64
        Of the reduced columns; a constant one is left unscaled.

    Notes
    -----
    From k columns degree 2 makes k + k(k+1)/2: 27 from 6, 230 from 20. Standardised columns keep
    the products at one size, so that one penalty suits all.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(20, 384))
    >>> FeatureSynthesizer(6).fit_transform(X).shape
    (20, 27)
    >>> names = FeatureSynthesizer(2).fit(X).get_feature_names_out()
    >>> names[2:].tolist()
    ['component_00_squared', 'component_00_x_component_01', 'component_01_squared']
    """

    def __init__(
        self,
        n_components: int | None = 8,
        *,
        interaction_only: bool = False,
        max_features: int = 1024,
    ) -> None:
        self.n_components = n_components
        self.interaction_only = interaction_only
        self.max_features = max_features

    def _fit(self, X: Vectors) -> None:
        check_number(self, "max_features", 1)
        if self.n_components is not None:
            check_number(self, "n_components", 1)
        count = X.shape[1] if self.n_components is None else min(self.n_components, *X.shape)
        self._check_width(count)
        rows = X.astype(np.float64)
        self.mean_ = rows.mean(axis=0)
        self.components_ = np.empty((0, X.shape[1]))
        if self.n_components is not None:
            self.components_, _ = principal_axes(rows - self.mean_, count)
        reduced = self._reduce(X)
        self.centre_ = reduced.mean(axis=0)
        spread = reduced.std(axis=0)
        # A direction without variance holds rounding errors; scaled up they would look like signal.
        floor = 1e-6 * max(float(spread.max()), 1e-12)
        self.scale_ = np.where(spread > floor, spread, 1.0)

    def _check_width(self, count: int) -> None:
        width = count + comb(count, 2) + (0 if self.interaction_only else count)
        if width > self.max_features:
            raise ValueError(
                f"FeatureSynthesizer: {count} columns give {width} features, more than "
                f"max_features={self.max_features}; lower n_components or raise max_features"
            )

    def _reduce(self, X: Vectors) -> NDArray[np.float64]:
        if not len(self.components_):
            centred: NDArray[np.float64] = X - self.mean_
            return centred
        return product(X - self.mean_, self.components_.T)

    def _transform(self, X: Vectors) -> NDArray[np.float64]:
        columns = (self._reduce(X) - self.centre_) / self.scale_
        left, right = self._pairs()
        return np.hstack([columns, columns[:, left] * columns[:, right]])

    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return np.triu_indices(len(self.scale_), k=1 if self.interaction_only else 0)

    def _names(self) -> list[str]:
        plain = [f"component_{i:02d}" for i in range(len(self.scale_))]
        products = [
            f"{plain[a]}_squared" if a == b else f"{plain[a]}_x_{plain[b]}"
            for a, b in zip(*self._pairs(), strict=True)
        ]
        return plain + products
