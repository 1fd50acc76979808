"""Trick 2: fewer dimensions by PCA, truncated SVD or UMAP, or by what tells labels apart."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any, Literal, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from embfeast.tricks.parts.component_count import farthest_below_chord, shuffled_variances
from embfeast.tricks.parts.moments import (
    Matrix,
    Moments,
    axes_of,
    axes_of_rows,
    moments,
)
from embfeast.tricks.parts.neighbour_labels import as_series, learn_labels
from embfeast.tricks.parts.neighbours import Neighbours, overlap
from embfeast.tricks.parts.occasions import Moments as Times
from embfeast.tricks.parts.occasions import Owners, microseconds, owners_of
from embfeast.tricks.parts.rowwise import product
from embfeast.tricks.parts.target_axes import (
    earlier_slice,
    hidden,
    lda_axes,
    most_axes,
    pls_axes,
)
from embfeast.tricks.proposal import ProposalSample, Proposed, Setting
from embfeast.tricks.trick import Vectors, VectorTrick, check_choice, check_number, warn_of_fewer

Method = Literal["pca", "truncated_svd", "umap", "pls", "lda"]
Rule = Literal["elbow", "parallel"]
METHODS = ("pca", "truncated_svd", "umap", "pls", "lda")
ON_LABELS = {"pls": pls_axes, "lda": lda_axes}
RULES = ("elbow", "parallel")
# Proposed: the share of the variance to keep, and the texts that a direction is learned from.
VARIANCE, MOST_PROPOSED, TEXTS_A_DIRECTION = 0.8, 128, 4


class EmbeddingReducer(VectorTrick):
    """Reduce embeddings to their strongest components, or to those that tell labels apart.

    Parameters
    ----------
    n_components : int, float or {"elbow", "parallel"}, default 32
        A number, capped by rows and columns with a warning. A share between 0 and 1: as many as
        explain that share of the variance. ``"elbow"``: those before the bend of the falling
        variances. ``"parallel"``: those stronger than in data whose columns were shuffled (Horn's
        parallel analysis). UMAP, PLS and LDA take a number; LDA has one less than classes.
    method : {"pca", "truncated_svd", "umap", "pls", "lda"}, default "pca"
        PCA centres first, truncated SVD does not. UMAP needs the extra ``embfeast[umap]``. PLS
        (partial least squares) and LDA (linear discriminants, shrunk) learn from labels.
    scale : bool, default False
        Bring each component to unit variance. Distances between texts are then no longer kept.
    n_neighbors : int, default 15
        For UMAP.
    random_state : int, default 0
        For UMAP and ``"parallel"``.
    label_share : float, default 0.5
        For PLS and LDA: the share of the labels, those known first, that is learned from.

    Attributes
    ----------
    components_ : ndarray of shape (components, dim), float64
        Orthonormal rows, but for PLS and LDA; the largest loading of each is positive. Empty for
        UMAP.
    mean_ : ndarray of shape (dim,), float64
        Zero for truncated SVD.
    scale_ : ndarray of shape (components,), float64
        What components are divided by.
    explained_variance_ratio_ : ndarray of shape (components,), float64
    variance_curve_ : ndarray of shape (directions,), float64
        Share of the variance that the first 1, 2, … directions explain together. Both are empty for
        UMAP, PLS and LDA.
    reference_, positions_ : ndarray of shape (rows, dim) and (rows, components), float32
        UMAP's training rows and where it put them; empty otherwise.
    learned_until_ : int
        For PLS and LDA: labels known before it were learned from, in microseconds since 1970.
    learned_owners_ : ndarray of shape (owners,), uint64
        For PLS and LDA without times: whose labels were learned from, as digests of their keys.
    learned_rows_ : int
        For PLS and LDA: how many labels were learned from.

    See Also
    --------
    Whitener : Equalises the variance of the directions.

    Notes
    -----
    The formula is (x − mean)·componentsᵀ, in float64 and to the same bits alone and in any batch.
    The loss is measured by `reconstruction_error` and `neighbour_overlap`. `fit_chunks` agrees with
    `fit` to 1e-6 of the largest value, but for UMAP, which sees all rows at once.

    UMAP places a new text at the mean of its nearest training texts' positions, weighted by
    closeness, which is where UMAP's own transform starts. It is approximate: a text unlike the
    training ones lands among them all the same, and another fit gives another map.

    PLS and LDA learn from the `label_share` of the labels that were known first. With `times`, a
    row that happened before the last of them was known gives 0, as the mean text does: it must not
    know what came later, and a model must not be trained on labels that its features have seen.
    Labels known later change no bit of a row, but for the moment at which the share ends. With
    `keys` but no `times` the share is one of the keys, and their rows give 0; with neither, all
    rows are learned from, as scikit-learn does, and none is 0. What is given neither (a new text)
    is never 0.

    References
    ----------
    .. [1] Jolliffe, I. T., "Principal Component Analysis", 2nd edition, Springer, 2002.
    .. [2] Horn, J. L., "A rationale and test for the number of factors", Psychometrika 30, 1965.
    .. [3] McInnes, L. et al., "UMAP", arXiv 1802.03426, 2018.
    .. [4] Wold, S. et al., "PLS-regression: a basic tool of chemometrics", Chemometrics and
       Intelligent Laboratory Systems 58, 2001.
    .. [5] Ledoit, O. and Wolf, M., "Honey, I shrunk the sample covariance matrix", J. Portfolio
       Management 30, 2004.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(6, 384))
    >>> reducer = EmbeddingReducer(6).fit(X)
    >>> reducer.transform(X).shape, round(float(reducer.explained_variance_ratio_.sum()), 6)
    ((6, 6), 1.0)
    """

    purpose = "the embedding with fewer dimensions"
    section = "reduction"

    @classmethod
    def propose(cls, sample: ProposalSample) -> Proposed:
        """Propose as many components as keep most of the variance, of as many as can be learned."""
        curve = cls(1).fit(sample.vectors).variance_curve_
        enough = int(np.argmax(curve >= VARIANCE)) + 1
        most = min(MOST_PROPOSED, len(sample.texts) // TEXTS_A_DIRECTION)
        count = max(2, min(8 * -(-enough // 8), most))
        kept = curve[min(count, len(curve)) - 1]
        why = f"keeps {kept:.0%} of the variance of {sample.count}"
        if count < enough:
            limit = "at most" if most == MOST_PROPOSED else f"{TEXTS_A_DIRECTION} texts each,"
            why += f"; {VARIANCE:.0%} would take {enough}, {limit} {most}"
        purpose = "The strongest directions (PCA): what to serve where bytes count."
        return Proposed("reduced", purpose, [Setting("n_components", count, why)])

    def __init__(
        self,
        n_components: int | float | Rule = 32,
        *,
        method: Method = "pca",
        scale: bool = False,
        n_neighbors: int = 15,
        random_state: int = 0,
        label_share: float = 0.5,
    ) -> None:
        self.n_components = n_components
        self.method = method
        self.scale = scale
        self.n_neighbors = n_neighbors
        self.random_state = random_state
        self.label_share = label_share

    @property
    def needs_occasions(self) -> bool:
        """Whether rows are told when they happened: where labels are learned from."""
        return self.method in ON_LABELS

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        times: Any = None,
        known: Any = None,
        keys: Any = None,
        as_of: Any = None,
    ) -> Self:
        """Fit on vectors.

        Parameters
        ----------
        X : array-like of shape (n, dim)
            Converted to float32. Missing and infinite numbers are refused.
        y : array-like of shape (n,), optional
            For PLS and LDA: classes, or for PLS numbers; a missing one is None or NaN.
        times, known : sequence of datetime, length n, optional
            When each row happened, and when its label was known: by default with its row.
        keys : sequence or pyarrow.Table of length n, optional
            Whose row each is.
        as_of : datetime, optional
            Labels known from then on are left out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            PLS or LDA has no label, or none that was known before a row happened.
        """
        if self.method not in ON_LABELS:
            return super().fit(X, y)
        self._check_settings()
        X = self._validated(X, reset=True)
        if y is None:
            raise ValueError(
                f"EmbeddingReducer: method={self.method!r} requires y to be passed, but the target "
                "y is None: give labels, or take method='pca'"
            )
        labels = as_series(y, len(X))
        occasion = {"times": times, "known": known, "keys": keys, "as_of": as_of}
        try:
            earlier = earlier_slice(labels, self.label_share, **occasion)
            self._fit_labelled(X[earlier.rows].astype(np.float64), labels.iloc[earlier.rows])
        except ValueError as error:
            raise ValueError(f"EmbeddingReducer: method={self.method!r}: {error}") from error
        self.learned_until_, self.learned_owners_ = earlier.until, earlier.owners
        self.learned_rows_ = len(earlier.rows)
        return self

    def _fit_labelled(self, rows: Matrix, labels: pd.Series) -> None:
        bank, asked = learn_labels(labels, "auto", 1), int(cast(int, self.n_components))
        count = min(asked, most_axes(rows, bank, self.method))
        if count < asked:
            of = f"{len(rows)} labelled rows with {len(np.unique(bank.values))} different labels"
            warn_of_fewer(self, f"{asked} components", of, count, 5)
        self.mean_ = rows.mean(axis=0)
        self.components_ = np.ascontiguousarray(ON_LABELS[self.method](rows, bank, count))
        spread = product(rows - self.mean_, self.components_.T).std(axis=0)
        self.scale_ = np.where(self.scale and spread > 0, spread, 1.0)
        self.reference_ = np.empty((0, rows.shape[1]), dtype=np.float32)
        self.positions_ = np.empty((0, count), dtype=np.float32)
        self.explained_variance_ratio_ = self.variance_curve_ = np.empty(0)

    def _fit(self, X: Vectors, y: Any) -> None:
        self._check_settings()
        if self.method == "umap":
            return self._fit_umap(X)
        rows = X.astype(np.float64)
        if len(X) > 2 * X.shape[1]:  # the small symmetric problem has the same axes for less work
            return self._fit_moments(moments(lambda: [rows]), lambda: [rows])
        mean = rows.mean(axis=0)
        shift = mean if self.method == "pca" else np.zeros_like(mean)
        axes = axes_of_rows(rows - shift)
        variances = np.square(product(rows - mean, axes.T)).sum(axis=0)
        self._keep(axes, shift, variances, np.square(rows - mean).sum(), lambda: [rows], len(X))

    def _fit_chunks(self, chunks: Callable[[], Iterable[Vectors]]) -> None:
        self._check_settings()
        if self.method in ("umap", *ON_LABELS):
            whole = f"{self.method.upper()} cannot be fitted in chunks; fit on a sample"
            raise ValueError(f"EmbeddingReducer: {whole}")
        self._fit_moments(moments(chunks), chunks)

    def _fit_moments(self, gathered: Moments, chunks: Callable[[], Iterable[Any]]) -> None:
        if self.method == "pca":
            shift, symmetric = gathered.mean, gathered.scatter
        else:
            shift = np.zeros_like(gathered.mean)
            symmetric = gathered.scatter + gathered.rows * np.outer(gathered.mean, gathered.mean)
        axes, _ = axes_of(symmetric)
        variances = np.einsum("ij,jk,ik->i", axes, gathered.scatter, axes, optimize=True)
        self._keep(axes, shift, variances, np.trace(gathered.scatter), chunks, gathered.rows)

    def _keep(
        self,
        axes: Matrix,
        shift: Matrix,
        variances: Matrix,
        total: float,
        chunks: Callable[[], Iterable[Any]],
        rows: int,
    ) -> None:
        variances = np.maximum(variances, 0.0)
        shares = variances / total if total > 0 else np.zeros_like(variances)
        self.variance_curve_ = np.minimum(np.cumsum(shares), 1.0)
        count = self._count(variances, min(rows, len(axes)), rows, chunks)
        self.mean_ = shift
        self.components_ = np.ascontiguousarray(axes[:count])
        self.explained_variance_ratio_ = shares[:count]
        spread = np.sqrt(variances[:count] / rows)
        # A direction without variance holds rounding errors: scaled, they would look like signal.
        usable = self.scale and spread > 1e-6 * max(float(spread.max(initial=0)), 1e-12)
        self.scale_ = np.where(usable, spread, 1.0)
        self.reference_ = np.empty((0, axes.shape[1]), dtype=np.float32)
        self.positions_ = np.empty((0, count), dtype=np.float32)

    def _count(
        self, variances: Matrix, most: int, rows: int, chunks: Callable[[], Iterable[Any]]
    ) -> int:
        """Return how many components are kept, of at most `most`."""
        if self.n_components == "elbow":
            return max(1, farthest_below_chord(variances[:most]))
        if self.n_components == "parallel":
            drawn = shuffled_variances(chunks, self.random_state, centre=self.method == "pca")
            shuffled = drawn * rows
            stronger = variances[: len(shuffled)] > shuffled[: len(variances)]
            return max(1, min(int(np.argmin(np.append(stronger, False))), most))
        if isinstance(self.n_components, float) and self.n_components < 1:
            # A whisker below the share: the sum of all shares may miss 1 by rounding.
            enough = self.variance_curve_ >= self.n_components - 1e-12
            return min(int(np.argmax(enough)) + 1 if enough.any() else most, most)
        count = min(int(self.n_components), most)
        if count < self.n_components:
            of = f"{rows} rows of {len(self.variance_curve_)} directions"
            warn_of_fewer(self, f"{self.n_components} components", of, count, 7)
        return count

    def _fit_umap(self, X: Vectors) -> None:
        if len(X) < 3:
            raise ValueError(f"EmbeddingReducer: UMAP needs at least 3 rows, got {len(X)}")
        try:
            from umap import UMAP
        except ImportError as error:
            raise ValueError(
                "EmbeddingReducer: method='umap' needs umap-learn: pip install 'embfeast[umap]'"
            ) from error
        warnings.warn(
            "EmbeddingReducer: UMAP places new texts approximately, among the training texts "
            "nearest to them, and another fit gives another map",
            stacklevel=4,
        )
        count = min(int(self.n_components), len(X) - 2)
        neighbours = min(int(self.n_neighbors), len(X) - 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that a seed means one thread
            mapper = UMAP(
                n_components=count, n_neighbors=neighbours, random_state=self.random_state
            )
            positions = mapper.fit_transform(X)
        self.reference_ = X.copy()
        self.positions_ = np.asarray(positions, dtype=np.float32)
        self.components_ = np.empty((0, X.shape[1]))
        self.mean_ = np.zeros(X.shape[1])
        spread = self.positions_.std(axis=0, dtype=np.float64)
        self.scale_ = np.where(self.scale and spread > 0, spread, 1.0)
        self.explained_variance_ratio_ = self.variance_curve_ = np.empty(0)

    def _check_settings(self) -> None:
        check_choice(self, "method", METHODS)
        check_number(self, "n_neighbors", 2)
        check_number(self, "label_share", 0.05, 0.95)
        whole = isinstance(self.n_components, int | np.integer)
        if self.method in ("umap", *ON_LABELS) and not whole:
            raise ValueError(
                f"EmbeddingReducer: with {self.method.upper()}, n_components is a whole number"
            )
        if isinstance(self.n_components, str):
            check_choice(self, "n_components", ("a number", "a share between 0 and 1", *RULES))
            return
        share = isinstance(self.n_components, float) and 0 < self.n_components < 1
        if not share:
            check_number(self, "n_components", 1)

    def transform(self, X: Any, *, times: Any = None, keys: Any = None) -> Vectors:
        """Return the features of vectors; a row's bits do not depend on the rows beside it.

        Parameters
        ----------
        X : array-like of shape (n, dim)
        times : sequence of datetime, length n, optional
            For PLS and LDA: when each row happened.
        keys : sequence or pyarrow.Table of length n, optional
            For PLS and LDA: whose row each is.

        Returns
        -------
        ndarray of shape (n, components), float32
        """
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        moments = None if times is None else microseconds(times, len(X), "times")
        return self.transform_checked(X, moments, None if keys is None else owners_of(keys, len(X)))

    def transform_checked(
        self, X: Vectors, times: Times | None = None, owners: Owners | None = None
    ) -> Vectors:
        """Do the same without checks, of moments and owners as numbers."""
        made: Vectors = super().transform_checked(X)
        if self.method in ON_LABELS:
            before = hidden(self.learned_until_, self.learned_owners_, times, owners)
            if before is not None:
                made[before] = 0.0
        return made

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.method in ON_LABELS
        return tags

    def _transform(self, X: Vectors) -> NDArray[np.float64]:
        if len(self.reference_):
            near = Neighbours(self.reference_, min(int(self.n_neighbors), len(self.reference_)))
            return near.mean_of(self.positions_, X) / self.scale_
        return product(X - self.mean_, self.components_.T) / self.scale_

    def inverse_transform(self, reduced: Any) -> Vectors:
        """Return the nearest vectors that the components can express.

        Parameters
        ----------
        reduced : array-like of shape (n, components)

        Returns
        -------
        ndarray of shape (n, dim), float32

        Raises
        ------
        ValueError
            UMAP has no inverse.
        """
        check_is_fitted(self)
        if len(self.reference_):
            raise ValueError("EmbeddingReducer: UMAP has no inverse")
        rows, back = np.asarray(reduced) * self.scale_, self.components_
        if self.method in ON_LABELS:  # their axes are neither of length 1 nor at right angles
            back = np.asarray(np.linalg.pinv(back).T, dtype=np.float64)
        return np.asarray(product(rows, back) + self.mean_, dtype=np.float32)

    def reconstruction_error(self, X: Any) -> float:
        """Return the share of the squared distance to the mean that is lost, from 0 to 1.

        Parameters
        ----------
        X : array-like of shape (n, dim)
        """
        X = self._validated(X, reset=False)
        back = self.inverse_transform(self.transform(X)).astype(np.float64)
        lost = float(np.square(X - back).sum())
        total = float(np.square(X - X.mean(axis=0, dtype=np.float64)).sum())
        return lost / total if total else 0.0

    def neighbour_overlap(self, X: Any, n_neighbors: int = 10) -> float:
        """Return the share of each row's nearest neighbours that it keeps, from 0 to 1.

        Parameters
        ----------
        X : array-like of shape (n, dim)
            At most 2,000 rows are compared, the first ones.
        n_neighbors : int, default 10
        """
        X = self._validated(X, reset=False)
        return overlap(X, np.asarray(self.transform(X)), n_neighbors)

    def _names(self) -> list[str]:
        return [f"component_{i:02d}" for i in range(len(self.scale_))]
