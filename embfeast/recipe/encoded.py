"""Texts as the encoder leaves them to the tricks, and which texts there are at all."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from embfeast.tricks.parts.occasions import Occasions

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Encoded:
    """Encoded texts: those that are there, and which of those given are.

    `blocks` holds a vector a text by pooling; `entries` are those whose features are wanted;
    `occasions` are of the texts that are there. `asked` holds the rows whose features are wanted,
    where others are there to be compared with alone.
    """

    texts: list[str]
    present: NDArray[np.bool_]
    blocks: dict[str, Matrix]
    entries: list[str]
    occasions: Occasions = field(default_factory=Occasions)
    asked: NDArray[np.int64] | None = None

    def steps(self, rows: int) -> Iterator["Encoded"]:
        """Yield the texts in turn, so many of those given at a time, or all that are compared."""
        if self.asked is not None:
            yield self
            return
        ends = np.concatenate([[0], np.cumsum(self.present)])
        for first in range(0, len(self.present), rows):
            present = self.present[first : first + rows]
            own = slice(ends[first], ends[first + len(present)])
            blocks = {pooling: block[own] for pooling, block in self.blocks.items()}
            occasions = self.occasions.take(own)
            yield Encoded(self.texts[own], present, blocks, self.entries, occasions)

    @property
    def wanted(self) -> int:
        """How many texts features are wanted of."""
        return len(self.texts) if self.asked is None else int(self.present[self.asked].sum())

    def alone(self, asked: NDArray[np.int64], entries: list[str]) -> "Encoded":
        """Return some rows by themselves."""
        present = self.present[asked]
        own = (np.cumsum(self.present) - 1)[asked][present]
        blocks = {pooling: block[own] for pooling, block in self.blocks.items()}
        texts = [self.texts[place] for place in own]
        return Encoded(texts, present, blocks, entries, self.occasions.take(own))


def is_missing(text: object) -> bool:
    """Tell whether a text is missing (None, NaN) or blank."""
    if isinstance(text, str):
        return not text.strip()
    return text is None or (isinstance(text, float) and math.isnan(text))
