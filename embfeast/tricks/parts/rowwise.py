"""A matrix product in which no row's bits depend on the rows beside it.

BLAS picks other kernels for other shapes, so that a row multiplied alone differs in its last bits
from the same row in a batch; and it cuts large products differently for each number of threads.
Here every product has the same shape, blocks of a fixed number of rows, the last one filled up with
zeros; and takes so few columns at a time that BLAS leaves it to one thread.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 16
# OpenBLAS takes one thread for products of at most this many multiplications. More threads would be
# slower for blocks of this size, and far slower where other work has the cores.
ONE_THREAD = 2**18


def product(X: NDArray[Any], W: NDArray[Any]) -> NDArray[np.float64]:
    """Multiply in float64; a row has the same bits alone, in any batch and on any cores.

    Examples
    --------
    >>> X, W = np.random.default_rng(0).normal(size=(100, 8)), np.ones((8, 3))
    >>> bool((product(X, W)[41] == product(X[41:42], W)[0]).all())
    True
    """
    X = np.asarray(X, dtype=np.float64)
    W = np.ascontiguousarray(W, dtype=np.float64)
    result = np.empty((len(X), W.shape[1]), dtype=np.float64)
    block = np.zeros((BLOCK, X.shape[1]), dtype=np.float64)
    columns = max(1, ONE_THREAD // block.size)
    for start in range(0, len(X), BLOCK):
        rows = X[start : start + BLOCK]
        block[: len(rows)] = rows
        block[len(rows) :] = 0
        for first in range(0, W.shape[1], columns):
            some = slice(first, first + columns)
            result[start : start + BLOCK, some] = (block @ W[:, some])[: len(rows)]
    return result


def unit_rows(X: NDArray[Any]) -> NDArray[np.float64]:
    """Scale each row to unit length, in float64; a row of zeros stays as it is."""
    X = np.ascontiguousarray(X, dtype=np.float64)
    lengths = np.sqrt(np.square(X).sum(axis=1, keepdims=True))
    scaled: NDArray[np.float64] = X / np.where(lengths > 0, lengths, 1.0)
    return scaled
