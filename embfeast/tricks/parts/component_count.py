"""How many components the falling variances themselves ask for."""

import numpy as np
from numpy.typing import NDArray

from embfeast.tricks.parts.moments import Chunks, Matrix, first_rows

# Rows that are shuffled; the threshold hardly moves with more.
SHUFFLED_ROWS = 2_000
DRAWS = 5


def farthest_below_chord(values: NDArray[np.float64]) -> int:
    """Return where a falling curve bends most: farthest below the line between its ends.

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


def shuffled_variances(chunks: Chunks, seed: int, *, centre: bool) -> Matrix:
    """Return the variances by direction that data whose columns were shuffled rarely exceeds."""
    sample = first_rows(chunks, SHUFFLED_ROWS).astype(np.float64)
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(DRAWS):
        shuffled = rng.permuted(sample, axis=0)
        if centre:
            shuffled -= shuffled.mean(axis=0)
        draws.append(np.linalg.svd(shuffled, compute_uv=False) ** 2 / len(sample))
    return np.quantile(draws, 0.95, axis=0)
