"""Paired differences with intervals that hold for all comparisons at once."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["helps", "harms", "no difference"]
RESAMPLES = 2_000

Name = TypeVar("Name", bound=Hashable)
Folds = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Difference:
    """A mean difference with its interval."""

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """``"helps"`` or ``"harms"`` only where the interval leaves out zero."""
        if self.low > 0:
            return "helps"
        return "harms" if self.high < 0 else "no difference"

    @property
    def points(self) -> str:
        """The difference and its interval in points (hundredths)."""
        return f"{100 * self.mean:+.2f} [{100 * self.low:+.2f}, {100 * self.high:+.2f}]"


def differences(
    sets: Mapping[Name, Folds], base: Folds, *, level: float = 0.95, seed: int = 0
) -> dict[Name, Difference]:
    """Compare feature sets with one other, row by row: scores of rows, a fold an array.

    Notes
    -----
    The interval is the mean difference ± c standard errors. The standard error is the larger of
    two: over rows, which says how another draw of test rows would move it, and over folds, which
    says how other training rows would too. c is the `level` quantile of the largest of all sets'
    standardised differences under a bootstrap of the rows, so that all intervals hold together:
    sets that move together, as they do on the same rows, cost less than by Bonferroni's rule.

    References
    ----------
    .. [1] Westfall, P. H. and Young, S. S., "Resampling-Based Multiple Testing", Wiley, 1993.
    .. [2] Romano, J. P. and Wolf, M., "Stepwise multiple testing as formalized data snooping",
       Econometrica 73, 2005.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> base = [rng.random(50) for _ in range(10)]
    >>> noisy = [fold + 0.1 + 0.1 * rng.normal(size=50) for fold in base]
    >>> differences({"a": noisy, "b": base}, base)["a"].verdict
    'helps'
    """
    if not sets:
        return {}
    apart = np.stack(
        [np.concatenate(own).astype(np.float64) - np.concatenate(base) for own in sets.values()],
        axis=1,
    )
    means = apart.mean(axis=0)
    over_rows = apart.std(axis=0, ddof=1) / np.sqrt(len(apart))
    errors = np.maximum(over_rows, _error_over_folds(apart - means, [len(fold) for fold in base]))
    width = _quantile_of_largest(apart - means, over_rows, level, seed) * errors
    return {
        name: Difference(float(mean), float(mean - half), float(mean + half))
        for name, mean, half in zip(sets, means, width, strict=True)
    }


def _error_over_folds(centred: NDArray[np.float64], sizes: list[int]) -> NDArray[np.float64]:
    count = len(sizes)
    if count < 2:
        return np.zeros(centred.shape[1])
    bounds = np.cumsum([0, *sizes[:-1]])
    sums = np.add.reduceat(centred, bounds, axis=0)
    spread = np.square(sums).sum(axis=0) * count / (count - 1)
    return np.asarray(np.sqrt(spread) / len(centred))


def _quantile_of_largest(
    centred: NDArray[np.float64], errors: NDArray[np.float64], level: float, seed: int
) -> float:
    """Return how many standard errors the largest of the sets' differences reaches by chance."""
    rng = np.random.default_rng(seed)
    rows = len(centred)
    used = centred[:, errors > 0] / errors[errors > 0]
    if not used.shape[1]:
        return 0.0
    largest = np.empty(RESAMPLES)
    for draw in range(RESAMPLES):
        counts = np.bincount(rng.integers(rows, size=rows), minlength=rows)
        largest[draw] = np.abs(counts @ used / rows).max()
    return float(np.quantile(largest, level))
