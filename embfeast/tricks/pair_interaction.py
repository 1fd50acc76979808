"""Trick 4: how two texts relate."""

import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embfeast.tricks.embedding_reducer import principal_axes
from embfeast.tricks.rowwise import product
from embfeast.tricks.trick import Trick, Vectors, check_number

Part = Literal["left", "right", "absolute_difference", "product", "sum"]
PARTS: tuple[Part, ...] = ("left", "right", "absolute_difference", "product", "sum")
ORDER_FREE: tuple[Part, ...] = ("sum", "absolute_difference", "product")


class PairInteraction(Trick):
    """Both vectors, |a−b| and a∗b of a pair, reduced if asked.

    Parameters
    ----------
    parts : sequence of {"left", "right", "absolute_difference", "product", "sum"}
        In order. By default the first four: a pair of 384 gives 1,536 columns.
    n_components : int, optional
        Reduce by PCA, fitted on pairs, to this many columns. The parts are brought to equal size
        first; without it they are the plain formulas.
    order_free : bool, default False
        Take a+b, |a−b| and a∗b instead of `parts`: swapping the two texts changes nothing.

    Attributes
    ----------
    scales_ : ndarray of shape (columns,), float64
        What each column is divided by before the reduction.
    mean_ : ndarray of shape (columns,), float64
    components_ : ndarray of shape (components, columns), float64
        Empty without a reduction.

    Notes
    -----
    `X` holds a pair a row: the left vector, then the right one.

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

    def __init__(
        self,
        parts: tuple[Part, ...] = ("left", "right", "absolute_difference", "product"),
        *,
        n_components: int | None = None,
        order_free: bool = False,
    ) -> None:
        self.parts = parts
        self.n_components = n_components
        self.order_free = order_free

    def _fit(self, X: Vectors) -> None:
        self._check_settings(X.shape[1])
        blocks = self._blocks(X)
        joined = np.hstack(blocks).astype(np.float64)
        self.scales_ = np.ones(joined.shape[1])
        self.mean_ = np.zeros(joined.shape[1])
        self.components_ = np.empty((0, joined.shape[1]))
        if self.n_components is None:
            return
        sizes = [max(float(np.sqrt(np.square(b, dtype=np.float64).mean())), 1e-12) for b in blocks]
        self.scales_ = np.repeat(sizes, [block.shape[1] for block in blocks])
        joined /= self.scales_
        self.mean_ = joined.mean(axis=0)
        count = min(self.n_components, *joined.shape)
        if count < self.n_components:
            warnings.warn(
                f"PairInteraction: {self.n_components} components asked, but {len(X)} pairs of "
                f"{joined.shape[1]} columns have at most {count}",
                stacklevel=3,
            )
        self.components_, _ = principal_axes(joined - self.mean_, count)

    def _check_settings(self, width: int) -> None:
        chosen = [self.parts] if isinstance(self.parts, str) else list(self.parts)
        if not chosen or (unknown := sorted(set(chosen) - set(PARTS))):
            raise ValueError(
                f"PairInteraction: parts={self.parts!r} has {unknown if chosen else 'nothing'}; "
                f"choose from {', '.join(PARTS)}"
            )
        if width % 2:
            raise ValueError(
                f"PairInteraction: a pair is two vectors of one width side by side, got {width} "
                "columns, which is odd"
            )
        if self.n_components is not None:
            check_number(self, "n_components", 1)

    def _chosen(self) -> tuple[str, ...]:
        if self.order_free:
            return ORDER_FREE
        return (self.parts,) if isinstance(self.parts, str) else tuple(self.parts)

    def _blocks(self, X: Vectors) -> list[Vectors]:
        half = X.shape[1] // 2
        a, b = X[:, :half], X[:, half:]
        made: dict[str, Callable[[], Vectors]] = {
            "left": lambda: a,
            "right": lambda: b,
            "absolute_difference": lambda: np.abs(a - b),
            "product": lambda: a * b,
            "sum": lambda: a + b,
        }
        return [made[part]() for part in self._chosen()]

    def _transform(self, X: Vectors) -> NDArray[np.float64] | Vectors:
        joined = np.hstack(self._blocks(X))
        if not len(self.components_):
            return joined
        return product(joined / self.scales_ - self.mean_, self.components_.T)

    def _names(self) -> list[str]:
        if len(self.components_):
            return [f"pair_{i:02d}" for i in range(len(self.components_))]
        width = len(self.scales_) // len(self._chosen())
        return [f"{part}_{i:03d}" for part in self._chosen() for i in range(width)]
