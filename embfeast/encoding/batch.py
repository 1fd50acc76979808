"""What an encoder gives a backend to read, and what it gets back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
# "sentence": a vector a text, as the model's last module leaves it, shape (texts, dim).
# "states": the last layer's states of the word pieces, shape (texts, pieces, width).
# "layered": the mean of the last four layers', of the same shape.
Output = Literal["sentence", "states", "layered"]
Read = dict[Output, Vectors]


@dataclass(frozen=True)
class Batch:
    """Texts that are read at once.

    `rows` says which of the texts given they are; `texts` stand there without the prompt and are
    empty for windows of a long text; `pieces` are empty where the backend reads texts, and else all
    of one length, so that nothing is padded, or longest first where the backend pads.
    """

    rows: Sequence[int]
    texts: Sequence[str]
    pieces: Sequence[Sequence[int]]

    @property
    def ids(self) -> NDArray[np.int64]:
        """The pieces' numbers, shape (texts, pieces)."""
        return np.array(self.pieces, dtype=np.int64).reshape(len(self.pieces), -1)

    def padded(self, padding: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the pieces' numbers, filled up to the longest, and 1 where they are the text's."""
        lengths = np.array([len(own) for own in self.pieces])
        own = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(own.shape, padding, dtype=np.int64)
        ids[own] = np.concatenate(self.pieces)
        return ids, own.astype(np.int64)

    def halves(self) -> tuple[Self, Self]:
        """Return its first texts and the others."""
        half = len(self.pieces) // 2
        first, second = slice(half), slice(half, None)
        return self._part(first), self._part(second)

    def _part(self, part: slice) -> Self:
        return type(self)(self.rows[part], self.texts[part], self.pieces[part])


def of_one_length(
    pieces: list[list[int]], most: int, most_texts: int
) -> Iterator[tuple[list[int], list[list[int]]]]:
    """Cut texts, longest first, into batches of one length and at most so many word pieces."""
    order = sorted(range(len(pieces)), key=lambda i: -len(pieces[i]))
    for length, same in groupby(order, key=lambda i: len(pieces[i])):
        rows = list(same)
        size = max(1, min(most_texts, most // max(length, 1)))
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            yield part, [pieces[i] for i in part]


def of_like_lengths(
    pieces: list[list[int]], most: int, most_texts: int
) -> Iterator[tuple[list[int], list[list[int]]]]:
    """Cut texts, longest first, into batches of at most so many word pieces, padding included."""
    order = sorted(range(len(pieces)), key=lambda i: -len(pieces[i]))
    start = 0
    while start < len(order):
        longest = max(1, len(pieces[order[start]]))
        part = order[start : start + max(1, min(most_texts, most // longest))]
        yield part, [pieces[i] for i in part]
        start += len(part)


class Backend(Protocol):
    """One forward pass over a batch.

    Attributes
    ----------
    name : str
        Whose vectors these are, in the embedding cache: another name's differ in the last bits.
    workers : int
        Batches that run best side by side.
    batch_pieces : int
        Word pieces of a batch; 0 where texts are read and not their pieces (a server).
    batch_texts : int
        Texts of a batch, at most.
    pads : bool
        Whether it reads texts of several lengths at once.
    reads_texts : bool
        Whether it puts its model's prompt before texts itself; word pieces begin with it.
    """

    name: str
    workers: int
    batch_pieces: int
    batch_texts: int
    pads: bool
    reads_texts: bool

    def read(self, batch: Batch, wanted: frozenset[Output], *, alone: bool) -> Read:
        """Return the wanted outputs of a batch, or refuse by `EmbfeastError` one it cannot give.

        `alone` says that no other batch runs beside this one.
        """
