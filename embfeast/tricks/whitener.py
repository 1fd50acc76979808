"""Trick 5: directions equalised, with restraint."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from embfeast.tricks.parts.moments import Moments, axes_of, moments
from embfeast.tricks.parts.neighbours import overlap
from embfeast.tricks.parts.rowwise import product, unit_rows
from embfeast.tricks.proposal import ProposalSample, Proposed, Setting
from embfeast.tricks.trick import Vectors, VectorTrick, check_choice, check_number, warn_of_fewer

METHODS = ("zca", "pca")
LEAST_PROPOSED = 50


class Whitener(VectorTrick):
    """Equalise the variance of the embedding's directions, fully or in part.

    Parameters
    ----------
    method : {"zca", "pca"}, default "zca"
        ZCA turns back into the original axes, PCA keeps the components.
    n_components : int, optional
        Keep this many of the strongest directions; all by default. For PCA: ZCA turns back into
        all columns.
    strength : float, default 0.5
        From 0 (only centred) to 1 (all kept directions have equal variance): a direction's
        standard deviation is divided by itself to this power.
    shrinkage : "auto" or float from 0 to 1, default 0.9
        How far the covariance is drawn towards equal variance before it is inverted; "auto" is
        Ledoit and Wolf's estimate, which is small with many rows.
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
    The formula is (x − mean)·W with W from the eigenvectors V and eigenvalues λ of the shrunk
    covariance: V·diag(λ^(−strength/2)), times Vᵀ for ZCA. A row has the same bits alone and in any
    batch; `fit_chunks` agrees with `fit` to 1e-6 of the largest value.

    Contrastively trained encoders already spread their directions, and three of the default
    model's are empty: full whitening without shrinkage and floor ruins them. The default is mild:
    nearest neighbours are about as good as the raw vectors', also when fitted on fewer rows than
    dimensions. For boosted trees prefer PCA: ZCA spreads each direction over all columns.

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

    purpose = "the embedding with its directions equalised"
    section = "whitening"

    @classmethod
    def propose(cls, sample: ProposalSample) -> Proposed | None:
        """Propose the mild default, with what it does to cosines and neighbours."""
        rows, width = sample.vectors.shape
        if rows < LEAST_PROPOSED:
            sample.left_out.append(
                f"whitener: {sample.count} say too little about {width} directions; "
                f"from {LEAST_PROPOSED} on"
            )
            return None
        white = unit_rows(cls().fit_transform(sample.vectors)).astype(np.float32)
        kept = overlap(sample.vectors, white, 10)
        measured = (
            f"cosine of two texts {_typical_cosine(sample.vectors):.2f}, whitened "
            f"{_typical_cosine(white):.2f}; {kept:.0%} of neighbours stay"
        )
        settings = [Setting("strength", 0.5, measured)]
        if rows < 2 * width:
            few = f"{sample.count} are few for {width} directions"
            why = f"drawn towards equal variance, since {few}"
            settings.append(Setting("shrinkage", 0.9, why))
        purpose = "The directions brought nearer to one size: for cosines and neighbours."
        return Proposed("whitened", purpose, settings)

    def __init__(
        self,
        method: Literal["zca", "pca"] = "zca",
        *,
        n_components: int | None = None,
        strength: float = 0.5,
        shrinkage: Literal["auto"] | float = 0.9,
        floor: float = 1e-3,
        drop_top: int = 0,
    ) -> None:
        self.method = method
        self.n_components = n_components
        self.strength = strength
        self.shrinkage = shrinkage
        self.floor = floor
        self.drop_top = drop_top

    def _fit(self, X: Vectors, y: Any) -> None:
        self._fit_chunks(lambda: [X])

    def _fit_chunks(self, chunks: Callable[[], Iterable[Vectors]]) -> None:
        self._check_settings()
        gathered = moments(chunks)
        width = len(gathered.mean)
        check_number(self, "drop_top", 0, width - 1)
        self.mean_ = gathered.mean
        self.shrinkage_ = self._amount(gathered, chunks)
        evenly = np.trace(gathered.covariance) / width * np.eye(width)
        shrunk = (1 - self.shrinkage_) * gathered.covariance + self.shrinkage_ * evenly
        axes, self.spectrum_ = axes_of(shrunk)
        kept = self._kept(gathered.rows, width)
        floored = np.maximum(self.spectrum_, self.floor * self.spectrum_[0])
        # No variance at all: identical rows, which stay at the centre whatever they are divided by.
        scale = np.where(floored > 0, floored, 1.0) ** (-self.strength / 2)
        self.matrix_ = (axes[kept] * scale[kept, None]).T
        if self.method == "zca":
            self.matrix_ = self.matrix_ @ axes[kept]

    def _check_settings(self) -> None:
        check_choice(self, "method", METHODS)
        check_number(self, "strength", 0, 1)
        check_number(self, "floor", 0, 1)
        if self.n_components is not None:
            check_number(self, "n_components", 1)
            if self.method == "zca":
                raise ValueError(
                    f"Whitener: n_components={self.n_components!r} asks for fewer columns, but "
                    "method='zca' turns back into all of them; take method='pca', or leave "
                    "n_components out"
                )
        if isinstance(self.shrinkage, str):
            check_choice(self, "shrinkage", ("auto", "a number from 0 to 1"))
        else:
            check_number(self, "shrinkage", 0, 1)

    def _amount(self, found: Moments, chunks: Callable[[], Iterable[Vectors]]) -> float:
        if self.shrinkage != "auto":
            return float(self.shrinkage)
        return _ledoit_wolf(found, chunks)

    def _kept(self, rows: int, width: int) -> NDArray[np.int64]:
        first, last = int(self.drop_top), width
        if self.n_components is not None:
            last = min(first + int(self.n_components), last)
            # Centred rows span at most one direction less than there are rows.
            most = max(min(last, rows - 1), first + 1)
            if most - first < self.n_components:
                of = f"{rows} rows of {width} columns"
                warn_of_fewer(self, f"{self.n_components} directions", of, most - first, 6)
            last = most
        return np.arange(first, last)

    def _transform(self, X: Vectors) -> NDArray[np.float64]:
        return product(X - self.mean_, self.matrix_)

    def _names(self) -> list[str]:
        return [f"whitened_{i:03d}" for i in range(self.matrix_.shape[1])]


def _typical_cosine(vectors: Vectors) -> float:
    """Return the mean cosine of two different texts."""
    rows = len(vectors)
    mean = (np.square(vectors.sum(axis=0)).sum() - rows) / (rows * (rows - 1))
    return round(float(mean), 2) + 0.0  # never "-0.00"


def _ledoit_wolf(found: Moments, chunks: Callable[[], Iterable[Vectors]]) -> float:
    """Return the shrinkage that Ledoit and Wolf estimate, from 0 to 1, in one more pass."""
    width, covariance = len(found.mean), found.covariance
    even = np.trace(covariance) / width
    squares = np.square(covariance).sum()
    apart = squares - width * even**2
    if found.rows < 2 or apart <= 0:
        return 1.0
    fourth = sum(np.square(np.square(rows - found.mean).sum(axis=1)).sum() for rows in chunks())
    noise = (fourth / found.rows - squares) / found.rows
    return float(np.clip(noise / apart, 0.0, 1.0))
