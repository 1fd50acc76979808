"""Trick 2: fewer dimensions by PCA, truncated SVD or UMAP."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from embfeast.tricks.moments import Matrix, Moments, axes_of, axes_of_rows, moments
from embfeast.tricks.neighbours import Neighbours, overlap
from embfeast.tricks.rowwise import product
from embfeast.tricks.trick import Trick, Vectors, check_choice, check_number

Method = Literal["pca", "truncated_svd", "umap"]
Rule = Literal["elbow", "parallel"]
METHODS = ("pca", "truncated_svd", "umap")
RULES = ("elbow", "parallel")
# Rows that `parallel` shuffles; the threshold hardly moves with more.
PARALLEL_ROWS = 2_000
PARALLEL_DRAWS = 5


class EmbeddingReducer(Trick):
    """Reduce embeddings to their strongest components.

    Parameters
    ----------
    n_components : int, float or {"elbow", "parallel"}, default 32
        A number, capped by rows and columns with a warning. A share between 0 and 1: as many as
        explain that share of the variance. ``"elbow"``: those before the bend of the falling
        variances. ``"parallel"``: those stronger than in data whose columns were shuffled (Horn's
        parallel analysis).
    method : {"pca", "truncated_svd", "umap"}, default "pca"
        PCA centres first, truncated SVD does not. UMAP needs the extra ``embfeast[umap]``.
    scale : bool, default False
        Bring each component to unit variance. Distances between texts are then no longer kept.
    n_neighbors : int, default 15
        For UMAP.
    random_state : int, default 0
        For UMAP and ``"parallel"``.

    Attributes
    ----------
    components_ : ndarray of shape (components, dim), float64
        Orthonormal rows; the largest loading of each is positive. Empty for UMAP.
    mean_ : ndarray of shape (dim,), float64
        Zero for truncated SVD.
    scale_ : ndarray of shape (components,), float64
        What components are divided by.
    explained_variance_ratio_ : ndarray of shape (components,), float64
    variance_curve_ : ndarray of shape (directions,), float64
        Share of the variance that the first 1, 2, … directions explain together.
    reference_, positions_ : ndarray of shape (rows, dim) and (rows, components), float32
        UMAP's training rows and where it put them; empty otherwise.

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

    References
    ----------
    .. [1] Jolliffe, I. T., "Principal Component Analysis", 2nd edition, Springer, 2002.
    .. [2] Horn, J. L., "A rationale and test for the number of factors", Psychometrika 30, 1965.
    .. [3] McInnes, L. et al., "UMAP", arXiv 1802.03426, 2018.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(6, 384))
    >>> reducer = EmbeddingReducer(6).fit(X)
    >>> reducer.transform(X).shape, round(float(reducer.explained_variance_ratio_.sum()), 6)
    ((6, 6), 1.0)
    """

    def __init__(
        self,
        n_components: int | float | Rule = 32,
        *,
        method: Method = "pca",
        scale: bool = False,
        n_neighbors: int = 15,
        random_state: int = 0,
    ) -> None:
        self.n_components = n_components
        self.method = method
        self.scale = scale
        self.n_neighbors = n_neighbors
        self.random_state = random_state

    def _fit(self, X: Vectors, y: Any) -> None:
        self._check_settings()
        if self.method == "umap":
            return self._fit_umap(X)
        rows = X.astype(np.float64)
        if len(X) > 2 * X.shape[1]:  # the small symmetric problem has the same axes for less work
            return self._fit_moments(moments(lambda: [rows]), lambda: [rows])
        mean = rows.mean(axis=0)
        shift = mean if self.method == "pca" else np.zeros_like(mean)
        axes, _ = axes_of_rows(rows - shift)
        variances = np.square(product(rows - mean, axes.T)).sum(axis=0)
        self._keep(axes, shift, variances, np.square(rows - mean).sum(), lambda: [rows], len(X))

    def _fit_chunks(self, chunks: Callable[[], Iterable[Vectors]]) -> None:
        self._check_settings()
        if self.method == "umap":
            raise ValueError("EmbeddingReducer: UMAP cannot be fitted in chunks; fit on a sample")
        self._fit_moments(moments(chunks), chunks)

    def _fit_moments(self, found: Moments, chunks: Callable[[], Iterable[Any]]) -> None:
        if self.method == "pca":
            shift, symmetric = found.mean, found.scatter
        else:
            shift = np.zeros_like(found.mean)
            symmetric = found.scatter + found.rows * np.outer(found.mean, found.mean)
        axes, _ = axes_of(symmetric)
        variances = np.einsum("ij,jk,ik->i", axes, found.scatter, axes, optimize=True)
        self._keep(axes, shift, variances, np.trace(found.scatter), chunks, found.rows)

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
            shuffled = self._shuffled_variances(chunks) * rows
            stronger = variances[: len(shuffled)] > shuffled[: len(variances)]
            return max(1, min(int(np.argmin(np.append(stronger, False))), most))
        if isinstance(self.n_components, float) and self.n_components < 1:
            # A whisker below the share: the sum of all shares may miss 1 by rounding.
            enough = self.variance_curve_ >= self.n_components - 1e-12
            return min(int(np.argmax(enough)) + 1 if enough.any() else most, most)
        count = min(int(self.n_components), most)
        if count < self.n_components:
            warnings.warn(
                f"EmbeddingReducer: {self.n_components} components asked, but {rows} rows of "
                f"{len(self.variance_curve_)} directions have at most {count}",
                stacklevel=6,
            )
        return count

    def _shuffled_variances(self, chunks: Callable[[], Iterable[Any]]) -> Matrix:
        sample = _first_rows(chunks, PARALLEL_ROWS)
        rng = np.random.default_rng(self.random_state)
        draws = []
        for _ in range(PARALLEL_DRAWS):
            shuffled = rng.permuted(sample, axis=0)
            if self.method == "pca":
                shuffled -= shuffled.mean(axis=0)
            draws.append(np.linalg.svd(shuffled, compute_uv=False) ** 2 / len(sample))
        return np.quantile(draws, 0.95, axis=0)

    def _fit_umap(self, X: Vectors) -> None:
        if not isinstance(self.n_components, int | np.integer):
            raise ValueError("EmbeddingReducer: with UMAP, n_components is a whole number")
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
        self.explained_variance_ratio_ = np.empty(0)
        self.variance_curve_ = np.empty(0)

    def _check_settings(self) -> None:
        check_choice(self, "method", METHODS)
        check_number(self, "n_neighbors", 2)
        if isinstance(self.n_components, str):
            check_choice(self, "n_components", ("a number", "a share between 0 and 1", *RULES))
            return
        share = isinstance(self.n_components, float) and 0 < self.n_components < 1
        if not share:
            check_number(self, "n_components", 1)

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
        rows = np.asarray(reduced) * self.scale_
        return (product(rows, self.components_) + self.mean_).astype(np.float32)

    def reconstruction_error(self, X: Any) -> float:
        """Return the share of the squared distance to the mean that is lost, from 0 to 1.

        Parameters
        ----------
        X : array-like of shape (n, dim)
        """
        X = validate_data(self, X, dtype=np.float32, reset=False)
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
        X = validate_data(self, X, dtype=np.float32, reset=False)
        return overlap(X, np.asarray(self.transform(X)), n_neighbors)

    def _names(self) -> list[str]:
        return [f"component_{i:02d}" for i in range(len(self.scale_))]


def farthest_below_chord(values: NDArray[Any]) -> int:
    """Return where a falling curve bends most: farthest below the line between its ends.

    Parameters
    ----------
    values : ndarray of shape (n,)

    References
    ----------
    .. [1] Satopää, V. et al., "Finding a kneedle in a haystack", ICDCS Workshops 2011.

    Examples
    --------
    >>> farthest_below_chord(np.array([10, 4, 3, 2, 1]))
    1
    """
    drop = values[0] - values[-1]
    if len(values) < 3 or drop <= 0:
        return 0
    along = np.linspace(0, 1, len(values))
    return int(np.argmax((1 - along) - (values - values[-1]) / drop))


def _first_rows(chunks: Callable[[], Iterable[Any]], most: int) -> Matrix:
    taken: list[Any] = []
    for chunk in chunks():
        taken.append(chunk[: most - sum(map(len, taken))])
        if sum(map(len, taken)) >= most:
            break
    return np.concatenate(taken).astype(np.float64)
