"""Several entries side by side in one vector that a model can take as it is."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from embfeast.tricks.rowwise import unit_rows

Scale = Literal["unit", "width", "size", "none"]
SCALES = ("unit", "width", "size", "none")


class BlockJoin:
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
    >>> join = BlockJoin().fit([near, far], ["a_0", "a_1", "b"])
    >>> join.transform([near, far]).round(2).tolist()
    [[0.6..., 0.8..., 1.0], [-0.6..., -0.8..., -1.0]]
    """

    def __init__(self, scale: Scale = "unit") -> None:
        self.scale = scale

    def get_params(self) -> Mapping[str, Any]:
        """Return the settings, as scikit-learn's estimators do."""
        return {"scale": self.scale}

    def fit(self, blocks: Sequence[NDArray[Any]], names: Sequence[str]) -> "BlockJoin":
        """Learn the blocks' sizes.

        Parameters
        ----------
        blocks : sequence of ndarray of shape (n, k)
        names : sequence of str
            Of all columns, in order.

        Raises
        ------
        ValueError
            The scale is unknown.
        """
        if self.scale not in SCALES:
            raise ValueError(f"scale={self.scale!r} is unknown; choose from {', '.join(SCALES)}")
        rows = [np.asarray(block, dtype=np.float64) for block in blocks]
        centres = [block.mean(axis=0) * (self.scale != "none") for block in rows]
        sizes = [
            float(np.sqrt(np.square(block - centre).mean()))
            for block, centre in zip(rows, centres, strict=True)
        ]
        scaled = self.scale == "size"
        self.centres_ = np.concatenate(centres)
        self.sizes_ = np.array([size if scaled and size > 1e-12 else 1.0 for size in sizes])
        self.names_ = list(names)
        return self

    def transform(self, blocks: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Return the blocks side by side; a row's bits do not depend on the rows beside it.

        Parameters
        ----------
        blocks : sequence of ndarray of shape (n, k)

        Returns
        -------
        ndarray of shape (n, columns), float32
        """
        ends = np.cumsum([block.shape[1] for block in blocks])
        centres = np.split(self.centres_, ends[:-1])
        made = [
            (np.asarray(block, dtype=np.float64) - centre) / size
            for block, centre, size in zip(blocks, centres, self.sizes_, strict=True)
        ]
        if self.scale in ("unit", "width"):
            made = [unit_rows(block) for block in made]
        if self.scale == "width":
            widest = max(block.shape[1] for block in made)
            made = [block * np.sqrt(block.shape[1] / widest) for block in made]
        return np.hstack(made).astype(np.float32)

    def get_feature_names_out(self) -> NDArray[Any]:
        """Return one name a column of the result."""
        return np.asarray(self.names_, dtype=object)
