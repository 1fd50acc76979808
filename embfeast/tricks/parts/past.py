"""What an entity wrote before a moment: sums that grow with each text, however long the past is.

Vectors are rounded to a grid on which float64 adds and subtracts them without error (up to 2**22 of
unit length). So a sum over a window is a matter of which texts lie in it, not of the order in which
they came, left, or were counted again. The decayed sum goes from moment to moment in order of time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GRID = 2.0**30
DAY = 86_400 * 10**6  # in microseconds

Sums = NDArray[np.float64]


def on_grid(X: Sums) -> Sums:
    """Round numbers so that sums of them are exact."""
    rounded: Sums = np.rint(X * GRID) / GRID
    return rounded


@dataclass(frozen=True)
class Seen:
    """What lies before a moment; all means are of the same number of texts as `counts` says.

    Attributes
    ----------
    last : int or None
        The last text's moment; None without one.
    means : ndarray of shape (references, dim)
        Of the texts of the last moment, the last few, the decayed past, each window, and all; zeros
        where there is none.
    counts : ndarray of shape (references,)
        How many texts, or what weight, each is the mean of.
    """

    last: int | None
    means: Sums
    counts: Sums

    @classmethod
    def of(cls, last: int | None, sums: Sums, counts: Sums) -> "Seen":
        """Return it of sums."""
        return cls(last, sums / np.where(counts > 0, counts, 1.0)[:, None], counts)


class Past:
    """The texts of one entity in order of time, by moments.

    Parameters
    ----------
    dim : int
        Length of the vectors.
    last : int
        The last so many texts are one reference, with all of the moment at which they begin.
    half_life : float
        In days.
    windows : sequence of int
        In microseconds.

    Examples
    --------
    >>> past = Past(1, last=2, half_life=1, windows=[2 * DAY])
    >>> for day in range(4):
    ...     past.add(day * DAY, 1, np.array([1.0]))
    >>> past.before(5 * DAY).counts.tolist()
    [1.0, 2.0, 1.875, 1.0, 4.0]
    """

    def __init__(self, dim: int, *, last: int, half_life: float, windows: Sequence[int]) -> None:
        self._last = last
        self._half_life = half_life
        self._windows = windows
        self._times: list[int] = []
        self._counts: list[int] = []
        self._sums: list[Sums] = []
        self._starts = [0] * len(windows)  # each window's first moment
        # Running: the decayed sum, each window's, and that of all.
        self._running = np.zeros((len(windows) + 2, dim))
        self._weights = np.zeros(len(windows) + 2)

    def add(self, time: int, count: int, total: Sums) -> None:
        """Add the texts of a moment, which is later than all before: how many, and their sum."""
        if self._times:
            fades = 2.0 ** ((self._times[-1] - time) / (DAY * self._half_life))
            self._running[0] *= fades
            self._weights[0] *= fades
        self._running += total
        self._weights += count
        self._times.append(time)
        self._counts.append(count)
        self._sums.append(total)

    def before(self, time: int) -> Seen:
        """Return what lies before a moment, which is not before one that was asked for already."""
        for place, width in enumerate(self._windows):
            start = self._starts[place]
            while start < len(self._times) and self._times[start] < time - width:
                self._running[place + 1] -= self._sums[start]
                self._weights[place + 1] -= self._counts[start]
                start += 1
            self._starts[place] = start
        if not self._times:
            zeros = np.zeros((2, self._running.shape[1]))
            sums = np.vstack([zeros, self._running])
            return Seen.of(None, sums, np.r_[0.0, 0.0, self._weights])
        total, count = self._sums[-1], self._counts[-1]
        place = len(self._times) - 1
        while place and count < self._last:
            place -= 1
            total, count = total + self._sums[place], count + self._counts[place]
        return Seen.of(
            self._times[-1],
            np.vstack([self._sums[-1], total, self._running]),
            np.r_[self._counts[-1], count, self._weights],
        )
