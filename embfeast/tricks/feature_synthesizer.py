"""Trick 7: products of reduced dimensions, selected before they explode."""

from math import comb
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.utils import get_tags

from embfeast.tricks.parts.moments import axes_of, principal_axes
from embfeast.tricks.parts.rowwise import product
from embfeast.tricks.parts.selection import Criterion, best_columns
from embfeast.tricks.proposal import ProposalSample, Proposed, Setting
from embfeast.tricks.trick import Vectors, VectorTrick, check_choice, check_number, warn_of_fewer

Method = Literal["polynomial", "count_sketch", "nystroem"]
METHODS = ("polynomial", "count_sketch", "nystroem")
CRITERIA = ("variance", "mutual_information", "l1")
LEAST_PROPOSED, MOST_PROPOSED = 100, 12


class FeatureSynthesizer(VectorTrick):
    """Reduce, standardise, add products of two columns, and keep those that matter.

    Parameters
    ----------
    n_components : int or None, default 8
        Reduce by PCA to this many first; None takes the columns as they are, which is right for
        an input that is reduced already.
    method : {"polynomial", "count_sketch", "nystroem"}, default "polynomial"
        All squares and products of two; or, for more columns than can be multiplied out, `width`
        random features: a count sketch of all products, or similarities to `width` landmark texts
        under a Gaussian kernel.
    interaction_only : bool, default False
        Leave out squares.
    select : {"variance", "mutual_information", "l1"}, optional
        Keep the best columns alone, by their variance, their mutual information with the labels,
        or the order in which they enter an L1-penalised linear model of the labels.
    n_selected : int or {"cv"}, default 64
        Columns kept. ``"cv"``: the fewest whose cross-validated score is within one standard
        error of the best; needs labels.
    width : int, default 256
        Random features, for the two random methods.
    max_features : int, default 1024
        Refuse to make more columns than this, before any memory is spent.
    random_state : int, default 0

    Attributes
    ----------
    mean_ : ndarray of shape (dim,), float64
    components_ : ndarray of shape (components, dim), float64
        Empty without a reduction.
    centre_, scale_ : ndarray of shape (components,), float64
        Of the reduced columns; a constant one is left unscaled.
    selected_ : ndarray of shape (features,), int64
        Columns kept, of all that the method makes.
    hashes_ : ndarray of shape (2, components), int64
        Count sketch: the bucket of each column; empty otherwise.
    hash_signs_ : ndarray of shape (2, components), float64
    landmarks_ : ndarray of shape (width, components), float64
        Nystroem; empty otherwise.
    normalization_ : ndarray of shape (width, width), float64

    Notes
    -----
    From k columns degree 2 makes k + k(k+1)/2: 27 from 6, 230 from 20. Standardised columns keep
    the products at one size, so that one penalty suits all. A row has the same bits alone and in
    any batch.

    Labels choose columns, so they must be known before the cutoff like the texts: give those of
    training rows alone. Rows whose label is missing are left out of the choice.

    References
    ----------
    .. [1] Pham, N. and Pagh, R., "Fast and scalable polynomial kernels via explicit feature maps",
       KDD 2013.
    .. [2] Williams, C. and Seeger, M., "Using the Nyström method to speed up kernel machines",
       NIPS 2000.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(20, 384))
    >>> FeatureSynthesizer(6).fit_transform(X).shape
    (20, 27)
    >>> names = FeatureSynthesizer(2).fit(X).get_feature_names_out()
    >>> names[2:].tolist()
    ['component_00_squared', 'component_00_x_component_01', 'component_01_squared']
    """

    purpose = "products of reduced dimensions"
    section = "synthesis"

    @classmethod
    def propose(cls, sample: ProposalSample) -> Proposed | None:
        """Propose no more products than a tenth of the texts."""
        rows = len(sample.texts)
        if rows < LEAST_PROPOSED:
            sample.left_out.append(
                f"feature_synthesizer: products of directions need {LEAST_PROPOSED} texts or "
                f"more, not {rows}"
            )
            return None
        widths = {k: k + k * (k + 1) // 2 for k in range(2, MOST_PROPOSED + 1)}
        count = max((k for k, width in widths.items() if width <= rows / 10), default=2)
        why = f"with squares and products {widths[count]} numbers, learned from {sample.count}"
        return Proposed(
            "products",
            "Products of the strongest directions: for labels that depend on two at once.",
            [Setting("n_components", count, why)],
        )

    def __init__(
        self,
        n_components: int | None = 8,
        *,
        method: Method = "polynomial",
        interaction_only: bool = False,
        select: Criterion | None = None,
        n_selected: int | Literal["cv"] = 64,
        width: int = 256,
        max_features: int = 1024,
        random_state: int = 0,
    ) -> None:
        self.n_components = n_components
        self.method = method
        self.interaction_only = interaction_only
        self.select = select
        self.n_selected = n_selected
        self.width = width
        self.max_features = max_features
        self.random_state = random_state

    def _fit(self, X: Vectors, y: Any) -> None:
        self._check_settings(y)
        count = X.shape[1]
        if self.n_components is not None:
            count = min(self.n_components, *X.shape)
            if count < self.n_components:
                of = f"{X.shape[0]} rows of {X.shape[1]} columns"
                warn_of_fewer(self, f"{self.n_components} components", of, count, 4)
        self._check_width(count)
        self._fit_columns(X, count)
        columns = self._columns(X)
        self._fit_random_features(columns)
        self.selected_ = np.arange(self._made(count), dtype=np.int64)
        if self.select is not None:
            self.selected_ = best_columns(
                self._synthesize(columns), y, self.select, self.n_selected, self.random_state
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.select in ("mutual_information", "l1") or (
            self.select is not None and self.n_selected == "cv"
        )
        return tags

    def _check_settings(self, y: Any) -> None:
        check_choice(self, "method", METHODS)
        check_number(self, "max_features", 1)
        check_number(self, "width", 1)
        if self.n_components is not None:
            check_number(self, "n_components", 1)
        if self.select is not None:
            check_choice(self, "select", CRITERIA)
        if isinstance(self.n_selected, str):
            check_choice(self, "n_selected", ("a number", "cv"))
        else:
            check_number(self, "n_selected", 1)
        if y is None and get_tags(self).target_tags.required:
            raise ValueError(
                f"FeatureSynthesizer: select={self.select!r} with n_selected={self.n_selected!r} "
                "requires y to be passed, but the target y is None: give labels, or "
                "select='variance' with a number"
            )

    def _check_width(self, count: int) -> None:
        width = self._made(count)
        if width > self.max_features:
            raise ValueError(
                f"FeatureSynthesizer: {count} columns give {width} features, more than "
                f"max_features={self.max_features}; lower n_components or width, take "
                "method='count_sketch', or raise max_features"
            )

    def _made(self, count: int) -> int:
        """Return how many features come from this many columns, before selection."""
        if self.method != "polynomial":
            return count + int(self.width)
        return count + comb(count, 2) + (0 if self.interaction_only else count)

    def _fit_columns(self, X: Vectors, count: int) -> None:
        rows = X.astype(np.float64)
        self.mean_ = rows.mean(axis=0)
        self.components_ = np.empty((0, X.shape[1]))
        if self.n_components is not None:
            self.components_ = np.ascontiguousarray(principal_axes(rows)[:count])
        reduced = self._reduce(X)
        self.centre_ = reduced.mean(axis=0)
        spread = reduced.std(axis=0)
        # A direction without variance holds rounding errors; scaled up they would look like signal.
        floor = 1e-6 * max(float(spread.max()), 1e-12)
        self.scale_ = np.where(spread > floor, spread, 1.0)

    def _fit_random_features(self, columns: NDArray[np.float64]) -> None:
        count = columns.shape[1]
        rng = np.random.default_rng(self.random_state)
        self.hashes_ = np.empty((2, 0), dtype=np.int64)
        self.hash_signs_ = np.empty((2, 0))
        self.landmarks_ = np.empty((0, count))
        self.normalization_ = np.empty((0, 0))
        if self.method == "count_sketch":
            self.hashes_ = rng.integers(self.width, size=(2, count))
            self.hash_signs_ = rng.choice([-1.0, 1.0], size=(2, count))
        elif self.method == "nystroem":
            if len(columns) < self.width:
                raise ValueError(
                    f"FeatureSynthesizer: {self.width} landmarks asked of {len(columns)} rows; "
                    "lower width or fit on more rows"
                )
            drawn = np.sort(rng.choice(len(columns), size=int(self.width), replace=False))
            self.landmarks_ = columns[drawn]
            kernel = self._kernel(self.landmarks_)
            axes, values = axes_of(kernel)
            # Landmarks that say the same make empty directions, which must not blow up.
            inverse = np.where(values > 1e-9 * values[0], values, np.inf) ** -0.5
            self.normalization_ = (axes.T * inverse) @ axes

    def _reduce(self, X: Vectors) -> NDArray[np.float64]:
        if not len(self.components_):
            centred: NDArray[np.float64] = X - self.mean_
            return centred
        return product(X - self.mean_, self.components_.T)

    def _columns(self, X: Vectors) -> NDArray[np.float64]:
        return np.asarray((self._reduce(X) - self.centre_) / self.scale_)

    def _synthesize(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return all features that the method makes of standardised columns."""
        if self.method == "count_sketch":
            return np.hstack([columns, self._sketch(columns)])
        if self.method == "nystroem":
            return np.hstack([columns, product(self._kernel(columns), self.normalization_)])
        left, right = self._pairs()
        return np.hstack([columns, columns[:, left] * columns[:, right]])

    def _transform(self, X: Vectors) -> NDArray[np.float64]:
        columns = self._columns(X)
        if self.method != "polynomial":
            return self._synthesize(columns)[:, self.selected_]
        # Only the products that were kept are computed.
        count = columns.shape[1]
        left, right = self._pairs()
        kept = self.selected_[self.selected_ >= count] - count
        plain = columns[:, self.selected_[self.selected_ < count]]
        return np.hstack([plain, columns[:, left[kept]] * columns[:, right[kept]]])

    def _sketch(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the count sketch of each row's products: the convolution of two sketches."""
        width = int(self.width)
        spread = np.zeros((columns.shape[1], width))
        spread[np.arange(columns.shape[1]), self.hashes_[1]] = self.hash_signs_[1]
        second = product(columns, spread)
        result = np.zeros((len(columns), width))
        for column, (bucket, sign) in enumerate(
            zip(self.hashes_[0], self.hash_signs_[0], strict=True)
        ):
            result += sign * columns[:, column, None] * np.roll(second, bucket, axis=1)
        return result

    def _kernel(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        squares = cdist(columns, self.landmarks_, "sqeuclidean")
        return np.asarray(np.exp(-squares / (2 * columns.shape[1])))

    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return np.triu_indices(len(self.scale_), k=1 if self.interaction_only else 0)

    def _names(self) -> list[str]:
        plain = [f"component_{i:02d}" for i in range(len(self.scale_))]
        if self.method == "polynomial":
            made = [
                f"{plain[a]}_squared" if a == b else f"{plain[a]}_x_{plain[b]}"
                for a, b in zip(*self._pairs(), strict=True)
            ]
        else:
            word = "sketch" if self.method == "count_sketch" else "landmark"
            made = [f"{word}_{i:03d}" for i in range(int(self.width))]
        names = plain + made
        return [names[i] for i in self.selected_]
