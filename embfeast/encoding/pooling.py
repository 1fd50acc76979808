"""Pooling: from one vector a word piece to one vector a text."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pooling = Literal["sentence", "mean", "max", "cls"]
# "sentence" is the model's own pooling at unit length; the others are raw and of any length.
POOLINGS: tuple[Pooling, ...] = ("sentence", "mean", "max", "cls")

Vector = NDArray[np.float32]

TOKEN_POOLINGS: dict[str, Callable[[Vector], Vector]] = {
    "mean": lambda states: states.mean(axis=0, dtype=np.float32),
    "max": lambda states: states.max(axis=0),
    "cls": lambda states: states[0],
}


def pool(states: Vector, pooling: str, sentence_pooling: str) -> Vector:
    """Pool the word pieces of one text.

    Padding never gets here: the caller hands over the text's own pieces. So the bits depend on
    this text alone, whatever it was batched with.

    Parameters
    ----------
    states : ndarray of shape (pieces, dim), float32
    pooling : {"sentence", "mean", "max", "cls"}
    sentence_pooling : {"mean", "max", "cls"}
        The model's own pooling, used for ``"sentence"``.

    Returns
    -------
    ndarray of shape (dim,), float32

    Examples
    --------
    >>> states = np.array([[3, 0], [3, 8]], dtype=np.float32)
    >>> pool(states, "max", "mean").tolist(), pool(states, "sentence", "mean").round(2).tolist()
    ([3.0, 8.0], [0.6..., 0.8...])
    """
    if pooling != "sentence":
        return TOKEN_POOLINGS[pooling](states)
    vector = TOKEN_POOLINGS[sentence_pooling](states)
    length = np.sqrt(np.square(vector).sum(dtype=np.float32))
    unit: Vector = vector / np.maximum(length, np.float32(1e-12))
    return unit
