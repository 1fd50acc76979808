"""What is kept of an entity after its texts of a moment: enough to compare a later text with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embfeast.tricks.parts.past import Seen

State = NDArray[np.float64]


@dataclass(frozen=True)
class StateColumn:
    """One column of a state, `width` numbers of it; a missing number is NaN.

    Means are float64: a similarity to one that was rounded would have other bits.
    """

    name: str
    kind: Literal["float", "integer", "doubles"]
    width: int = 1


@dataclass(frozen=True)
class EntityStates:
    """The columns of an entity's state.

    Attributes
    ----------
    windows : list of str
        How the names of counts end: of each window in days, and of the whole past.
    past : list of str
        How the names of means end, in the order of `Seen.means`.
    dim : int
        Length of the vectors.

    Examples
    --------
    >>> states = EntityStates([""], ["_newest", "_last_5", "_decayed", ""], 1)
    >>> row = states.row(9, Seen(7, np.array([[1.0], [0.5], [0.6], [0.5]]), np.full(4, 2.0)))
    >>> row.tolist()
    [9.0, 7.0, 2.0, 0.75, 1.0, 0.5, 0.6, 0.5]
    >>> states.seen(row).means[2].tolist()
    [0.6]
    """

    windows: Sequence[str]
    past: Sequence[str]
    dim: int

    @property
    def columns(self) -> list[StateColumn]:
        """Names, kinds and widths, in order."""
        return [
            StateColumn("history_state_at", "integer"),
            StateColumn("history_state_last_text", "integer"),
            *(StateColumn(f"history_state_count{one}", "integer") for one in self.windows),
            StateColumn("history_state_spread", "float"),
            *(StateColumn(f"history_state_mean{one}", "doubles", self.dim) for one in self.past),
        ]

    @property
    def width(self) -> int:
        """How many numbers a state has."""
        return sum(column.width for column in self.columns)

    def row(self, at: int, seen: Seen) -> State:
        """Return the state after a moment, of what a text right after it sees."""
        counts = seen.counts[-len(self.windows) :]
        spread = max(0.0, 1.0 - np.square(seen.means).sum(axis=1)[-1]) if counts[-1] else 0.0
        last = np.nan if seen.last is None else seen.last
        return np.concatenate([[at, last], counts, [spread], seen.means.ravel()])

    def seen(self, state: State) -> Seen:
        """Return what a text after a state's moment sees, windows of days as they were then."""
        cut = 2 + len(self.windows)
        state = np.zeros(self.width) if np.isnan(state[0]) else state
        counts = np.concatenate([np.zeros(len(self.past) - len(self.windows)), state[2:cut]])
        last = int(state[1]) if counts[-1] else None
        return Seen(last, state[cut + 1 :].reshape(len(self.past), self.dim), counts)
