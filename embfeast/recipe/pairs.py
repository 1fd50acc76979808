"""The pairs on which a pair trick is fitted when none are given."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError

# Enough for a stable PCA; the nearest-neighbour search below grows with its square.
MOST_TEXTS = 2_000


def training_pairs(
    lefts: NDArray[np.float32],
    rights: NDArray[np.float32],
    pairs: Sequence[tuple[int, int]] | None,
    seed: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the left and right vectors of the pairs (row numbers) to fit on.

    `lefts` and `rights` are what is read of each text where it stands left and right. Without pairs
    each text is paired with a random other one and with its nearest neighbour: what a
    pair model meets is both strangers and near-duplicates.
    """
    if pairs is not None:
        if not pairs:
            raise EmbfeastError("none of the given pairs is among the rows read before as_of")
        left, right = np.array(pairs).T
        return lefts[left], rights[right]
    if len(lefts) < 2:
        raise EmbfeastError("one text forms no pair; fit on more texts")
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.permutation(len(lefts))[:MOST_TEXTS])
    left, right = lefts[drawn], rights[drawn]
    others = (np.arange(len(drawn)) + rng.integers(1, len(drawn), len(drawn))) % len(drawn)
    closeness = left.astype(np.float64) @ right.T.astype(np.float64)
    np.fill_diagonal(closeness, -np.inf)
    nearest = closeness.argmax(axis=1)
    return np.vstack([left, left]), np.vstack([right[others], right[nearest]])
