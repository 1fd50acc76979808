"""Several entries side by side in one vector that a model can take as it is."""

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from embfeast.tricks.parts.rowwise import unit_rows
from embfeast.tricks.trick import Trick, check_choice

Scale = Literal["unit", "width", "size", "none"]
SCALES = ("unit", "width", "size", "none")


class BlockJoin(Trick):
    """Join blocks of columns, each scaled so that no block drowns another.

    Parameters
    ----------
    scale : {"unit", "width", "size", "none"}, default "unit"
        Centre a block at its training mean and bring each row to unit length; the same, times
        √(width / width of the widest block), so that every number counts alike, rather than every
        block; centre it and divide it by its root mean square over the training rows; or leave
        blocks as they are.

    Attributes
    ----------
    centres_ : ndarray of shape (columns,), float64
        What is subtracted from each column.
    sizes_ : ndarray of shape (blocks,), float64
        What each block is divided by.
    names_ : list of str

    Examples
    --------
    >>> near, far = np.array([[3.0, 4.0], [-3.0, -4.0]]), np.array([[70.0], [50.0]])
    >>> join = BlockJoin().fit([near, far], names=["a_0", "a_1", "b"])
    >>> join.transform([near, far]).round(2).tolist()
    [[0.6..., 0.8..., 1.0], [-0.6..., -0.8..., -1.0]]
    """

    purpose = "several entries side by side in one vector"
    takes = "vectors"
    section = None

    def __init__(self, scale: Scale = "unit") -> None:
        self.scale = scale

    def fit(
        self, X: Sequence[NDArray[Any]], y: Any = None, *, names: Sequence[str] | None = None
    ) -> Self:
        """Learn the centres and sizes of blocks of shape (n, k); `names` are all columns'."""
        check_choice(self, "scale", SCALES)
        rows = [np.asarray(block, dtype=np.float64) for block in X]
        centres = [block.mean(axis=0) * (self.scale != "none") for block in rows]
        sizes = [
            float(np.sqrt(np.square(block - centre).mean()))
            for block, centre in zip(rows, centres, strict=True)
        ]
        scaled = self.scale == "size"
        self.centres_ = np.concatenate(centres)
        self.sizes_ = np.array([size if scaled and size > 1e-12 else 1.0 for size in sizes])
        self.names_ = list(names or (f"joined_{i:03d}" for i in range(len(self.centres_))))
        return self

    def transform(self, X: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Return the blocks side by side; a row's bits do not depend on the rows beside it."""
        return self.transform_checked(X)

    def transform_checked(self, X: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Do the same."""
        ends = np.cumsum([block.shape[1] for block in X])
        centres = np.split(self.centres_, ends[:-1])
        scaled = [
            (np.asarray(block, dtype=np.float64) - centre) / size
            for block, centre, size in zip(X, centres, self.sizes_, strict=True)
        ]
        if self.scale in ("unit", "width"):
            scaled = [unit_rows(block) for block in scaled]
        if self.scale == "width":
            widest = max(block.shape[1] for block in scaled)
            scaled = [block * np.sqrt(block.shape[1] / widest) for block in scaled]
        return np.hstack(scaled).astype(np.float32)

    def _names(self) -> list[str]:
        return self.names_
