"""Pooling: from one vector a word piece to one vector a text, for texts of one length at a time."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from embfeast.encoding.batch import Output
from embfeast.errors import EmbfeastError

Kind = Literal["sentence", "mean", "max", "cls", "weighted"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Vectors = NDArray[np.float32]
States = NDArray[np.float32]
Pieces = Sequence[Sequence[int]]


@dataclass(frozen=True, eq=False)
class Pooling:
    """One way from the states of a text's word pieces to one vector.

    Parameters
    ----------
    kind : {"sentence", "mean", "max", "cls", "weighted"}
        ``"sentence"`` is what the model's own modules give; the others pool word pieces and are of
        any length.
    layered : bool, default False
        Pool the mean of the last four layers instead of the last one.
    windows : bool, default False
        Read a text longer than the model's window whole, in overlapping windows.
    weights : ndarray of shape (vocabulary,), float32, optional
        For ``"weighted"``: weight of each word piece.
    top : int, optional
        For ``"weighted"``: average the pieces of the highest weights alone, this many.

    Attributes
    ----------
    key : str
        Tells this pooling from every other one, in the cache and in results.

    Examples
    --------
    >>> Pooling("mean").key, Pooling("max", layered=True, windows=True).key
    ('mean', 'max+layered+windows')
    """

    kind: Kind
    layered: bool = False
    windows: bool = False
    weights: Vectors | None = field(default=None, repr=False)
    top: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EmbfeastError(f"pooling {self.kind!r} is unknown; choose from {', '.join(KINDS)}")
        if self.kind == "sentence" and (self.layered or self.windows):
            raise EmbfeastError("the model's own sentence vector is that of its window and layers")
        if (self.kind == "weighted") != (self.weights is not None):
            raise EmbfeastError("a weighted pooling, and no other, needs weights of word pieces")

    @cached_property
    def key(self) -> str:
        """Tells this pooling from every other one."""
        parts: list[str] = [self.kind]
        if self.weights is not None:
            of_weights = hashlib.sha256(np.ascontiguousarray(self.weights).tobytes()).hexdigest()
            parts.append(of_weights[:32])
        if self.top is not None:
            parts.append(f"top{self.top}")
        parts += ["layered"] * self.layered + ["windows"] * self.windows
        return "+".join(parts)

    def __call__(self, states: States, pieces: Pieces) -> Vectors:
        """Pool texts of one length.

        Padding never gets here: the caller hands over the texts' own pieces. So the bits depend
        on a text alone, whatever it was batched with.

        Parameters
        ----------
        states : ndarray of shape (texts, pieces, dim), float32
        pieces : sequence of so many sequences of int
            The word pieces' numbers.

        Returns
        -------
        ndarray of shape (texts, dim), float32

        Examples
        --------
        >>> states = np.array([[[3, 0], [3, 8]]], dtype=np.float32)
        >>> Pooling("max")(states, [[7, 9]]).tolist()
        [[3.0, 8.0]]
        """
        if self.kind == "weighted":
            return self._weighted(states, pieces)
        return TOKEN_POOLINGS[self.kind](states)

    def _weighted(self, states: States, pieces: Pieces) -> Vectors:
        weights = self._weights(np.asarray(pieces))
        # In float64 before they are added up, so that the sum is the same in any batch.
        totals = weights.astype(np.float64).sum(axis=1)
        counting = totals > 0  # where no piece counts: the plain mean, rather than nothing
        summed = (states * weights[:, :, None]).sum(axis=1, dtype=np.float64)
        vectors: Vectors = (summed / np.where(counting, totals, 1)[:, None]).astype(np.float32)
        vectors[~counting] = TOKEN_POOLINGS["mean"](states[~counting])
        return vectors

    def _weights(self, pieces: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the weight of each text's pieces: those of the vocabulary, or 1 for the top."""
        assert self.weights is not None  # noqa: S101 - checked when made
        weights = self.weights[pieces]
        if self.top is None:
            return weights
        # Ties go to the earlier piece, so that the choice is the same everywhere.
        chosen = np.argsort(-weights, axis=1, kind="stable")[:, : self.top]
        alone = np.zeros_like(weights)
        np.put_along_axis(alone, chosen, 1, axis=1)
        many = np.count_nonzero(weights, axis=1) > self.top
        return np.where(many[:, None], alone, weights)


def pooled(pooling: Pooling, states: States, pieces: Pieces) -> Vectors:
    """Pool a batch: texts of one length at once, each by its own pieces alone."""
    parts = []
    first = 0
    for length, same in groupby(map(len, pieces)):
        last = first + len(list(same))
        parts.append(pooling(states[first:last, :length], pieces[first:last]))
        first = last
    return np.concatenate(parts)


def unit(vectors: Vectors) -> Vectors:
    """Bring each vector to unit length; a zero one stays zero."""
    lengths = np.sqrt(np.square(vectors).sum(axis=1, dtype=np.float32, keepdims=True))
    scaled: Vectors = vectors / np.maximum(lengths, np.float32(1e-12))
    return scaled


def _mean(states: States) -> Vectors:
    if not states.shape[1]:  # a static model knows no piece of the text
        return np.zeros((len(states), states.shape[2]), dtype=np.float32)
    mean: Vectors = states.mean(axis=1, dtype=np.float32)
    return mean


TOKEN_POOLINGS: dict[str, Callable[[States], Vectors]] = {
    "mean": _mean,
    "max": lambda states: states.max(axis=1),
    "cls": lambda states: states[:, 0].copy(),  # a view would keep all states
}


def pooling_of(given: str | Pooling) -> Pooling:
    """Return a pooling, which may be given by its kind alone."""
    return given if isinstance(given, Pooling) else Pooling(given)  # type: ignore[arg-type]


def output_of(pooling: Pooling) -> Output:
    """Return which output of a backend is pooled."""
    if pooling.kind == "sentence":
        return "sentence"
    return "layered" if pooling.layered else "states"


def check_finite(vectors: Vectors, model: str) -> None:
    """Refuse vectors that are no numbers."""
    if not np.isfinite(vectors).all():
        raise EmbfeastError(
            f"model {model!r} gave a vector that is not finite; its weights are damaged or not "
            "made for float32"
        )
