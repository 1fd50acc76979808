"""Trick 4: how two texts relate."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from embfeast.tricks.parts.moments import principal_axes
from embfeast.tricks.parts.rowwise import product, unit_rows
from embfeast.tricks.proposal import ProposalSample, Proposed, Setting
from embfeast.tricks.trick import Vectors, VectorTrick, check_number, chosen, warn_of_fewer

Part = Literal[
    "left", "right", "absolute_difference", "product", "sum", "cosine", "euclidean", "manhattan"
]
PARTS: tuple[Part, ...] = get_args(Part)
ORDER_FREE: tuple[Part, ...] = ("sum", "absolute_difference", "product")
SCALARS = {"cosine", "euclidean", "manhattan"}
MOST_PROPOSED = 64


class PairInteraction(VectorTrick):
    """How the two texts of a pair relate: both vectors, |a−b|, a∗b, a+b, cosine and distances.

    Parameters
    ----------
    parts : sequence of {"left", "right", "absolute_difference", "product", "sum", "cosine", \
"euclidean", "manhattan"}
        In order. By default the first four: a pair of 384 gives 1,536 columns.
    n_components : int, optional
        Reduce by PCA, fitted on pairs, to this many columns. The parts are brought to equal size
        first; cosine and distances stay beside the components as they are.
    order_free : bool, default False
        Take a+b, |a−b| and a∗b instead of left, right, |a−b| and a∗b, with any cosine and
        distances among `parts`: swapping the two texts then changes no bit.
    scale : bool, default False
        Bring each part to equal size (root mean square 1 over the training pairs); always done
        before a reduction. Without it the parts are the plain formulas.

    Attributes
    ----------
    scales_ : ndarray of shape (columns,), float64
        What each wide column is divided by.
    mean_ : ndarray of shape (columns,), float64
    components_ : ndarray of shape (components, columns), float64
        Empty without a reduction.

    Notes
    -----
    `X` holds a pair a row: the left vector, then the right one. The cosine of a zero vector is 0.
    A row has the same bits alone and in any batch.

    For "are these two the same?" the cosine alone is the bar to beat; left and right without
    their products cannot express it in a linear model.

    References
    ----------
    .. [1] Conneau, A. et al., "Supervised learning of universal sentence representations", 2017.

    Examples
    --------
    >>> pair = np.array([[1, 2, 3, 5]], dtype=np.float32)
    >>> PairInteraction().fit_transform(pair).tolist()
    [[1.0, 2.0, 3.0, 5.0, 2.0, 3.0, 3.0, 10.0]]
    >>> PairInteraction(order_free=True).fit_transform(pair).tolist()
    [[4.0, 7.0, 2.0, 3.0, 3.0, 10.0]]
    """

    purpose = "how two texts relate"
    takes = "pair"
    section = "pairs"

    @classmethod
    def propose(cls, sample: ProposalSample) -> Proposed | None:
        """Propose few components of the reduced vector, where pairs are asked for."""
        reduced = sample.proposed.get("reduced")
        if not sample.pairs or reduced is None:
            return None
        width = int(reduced.settings[0].value)
        settings = [
            Setting("input", "reduced", "so that the second online copy stays small"),
            Setting("order_free", True, "swapping the two texts changes no number"),
            Setting("n_components", min(MOST_PROPOSED, 2 * width), f"of {3 * width} columns"),
        ]
        return Proposed("pair", "How two texts relate.", settings)

    def __init__(
        self,
        parts: tuple[Part, ...] = ("left", "right", "absolute_difference", "product"),
        *,
        n_components: int | None = None,
        order_free: bool = False,
        scale: bool = False,
    ) -> None:
        self.parts = parts
        self.n_components = n_components
        self.order_free = order_free
        self.scale = scale

    def _fit(self, X: Vectors, y: Any) -> None:
        self._check_settings(X.shape[1])
        blocks, _ = self._parts(X)
        width = sum(block.shape[1] for block in blocks)
        self.scales_ = np.ones(width)
        self.mean_ = np.zeros(width)
        self.components_ = np.empty((0, width))
        if not blocks:
            return
        if self.scale or self.n_components is not None:
            sizes = [np.sqrt(np.square(b, dtype=np.float64).mean()) for b in blocks]
            # A part of nothing but zeros stays as it is.
            sizes = [size if size > 1e-12 else 1.0 for size in sizes]
            self.scales_ = np.repeat(sizes, [block.shape[1] for block in blocks])
        if self.n_components is not None:
            self._reduce(np.hstack(blocks) / self.scales_)

    def _reduce(self, joined: NDArray[np.float64]) -> None:
        assert self.n_components is not None  # noqa: S101 - for the type checker
        self.mean_ = joined.mean(axis=0)
        count = min(self.n_components, *joined.shape)
        if count < self.n_components:
            of = f"{len(joined)} pairs of {joined.shape[1]} columns"
            warn_of_fewer(self, f"{self.n_components} components", of, count, 5)
        self.components_ = np.ascontiguousarray(principal_axes(joined)[:count])

    def _check_settings(self, width: int) -> None:
        chosen(self, "parts", PARTS)
        if width % 2:
            raise ValueError(
                f"PairInteraction: a pair is two vectors of one width side by side, got {width} "
                "columns, which is odd"
            )
        if self.n_components is not None:
            check_number(self, "n_components", 1)

    def _chosen(self) -> tuple[str, ...]:
        parts = chosen(self, "parts", PARTS)
        if self.order_free:
            return ORDER_FREE + tuple(part for part in parts if part in SCALARS)
        return parts

    def _parts(self, X: Vectors) -> tuple[list[Vectors], list[NDArray[np.float64]]]:
        """Return the wide parts, and the ones of one number a pair."""
        half = X.shape[1] // 2
        a, b = X[:, :half], X[:, half:]
        wide: dict[str, Callable[[], Vectors]] = {
            "left": lambda: a,
            "right": lambda: b,
            "absolute_difference": lambda: np.abs(a - b),
            "product": lambda: a * b,
            "sum": lambda: a + b,
        }
        single: dict[str, Callable[[], NDArray[np.float64]]] = {
            "cosine": lambda: (unit_rows(a) * unit_rows(b)).sum(axis=1),
            "euclidean": lambda: np.sqrt(np.square(a.astype(np.float64) - b).sum(axis=1)),
            "manhattan": lambda: np.abs(a.astype(np.float64) - b).sum(axis=1),
        }
        parts = self._chosen()
        return [wide[p]() for p in parts if p in wide], [single[p]() for p in parts if p in single]

    def _transform(self, X: Vectors) -> NDArray[np.float64]:
        blocks, single = self._parts(X)
        columns = [np.hstack(blocks) / self.scales_] if blocks else []
        if len(self.components_):
            columns = [product(columns[0] - self.mean_, self.components_.T)]
        return np.hstack(columns + [values[:, None] for values in single])

    def _names(self) -> list[str]:
        parts = [part for part in self._chosen() if part not in SCALARS]
        single = [f"pair_{part}" for part in self._chosen() if part in SCALARS]
        if len(self.components_):
            return [f"pair_{i:02d}" for i in range(len(self.components_))] + single
        width = len(self.scales_) // max(len(parts), 1)
        return [f"{part}_{i:03d}" for part in parts for i in range(width)] + single
