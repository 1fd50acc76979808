"""Texts of several topics: cut into sentences, and pooled across them."""

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from embfeast.tricks.parts.rowwise import product, unit_rows

Across = Literal["mean", "max", "attention"]

# After a full stop, question or exclamation mark and a blank; after their wide forms, which no
# blank follows; at line ends.
BREAK = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|[\r\n]+")
MOST_SENTENCES = 1_000


def split_sentences(text: str) -> list[str]:
    r"""Cut a text into sentences, at most 1,000; one without a break is one sentence.

    Examples
    --------
    >>> split_sentences("The app crashes! Also, where is my refund?\n返金してください。至急")
    ['The app crashes!', 'Also, where is my refund?', '返金してください。', '至急']
    """
    found = [part.strip() for part in BREAK.split(text)]
    return [part for part in found if part][:MOST_SENTENCES] or [text]


def across_sentences(
    vectors: NDArray[Any],
    sentences: NDArray[Any],
    counts: Sequence[int],
    how: Across,
    query: NDArray[Any] | None,
    temperature: float,
) -> NDArray[np.float64]:
    """Pool the vectors of each text's sentences; `counts` says how many are whose.

    Attention compares `sentences`, the model's own vectors, with the query, a unit vector.

    Examples
    --------
    >>> vectors = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> across_sentences(vectors, vectors, [2], "attention", vectors[0], 0.01).round(3).tolist()
    [[1.0, 0.0]]
    """
    if how == "attention" and query is not None:
        closeness = product(unit_rows(sentences), np.asarray(query)[:, None])[:, 0] / temperature
    else:
        closeness = np.zeros(len(vectors))
    pooled = np.empty((len(counts), vectors.shape[1]))
    start = 0
    for row, count in enumerate(counts):
        rows = np.asarray(vectors[start : start + count], dtype=np.float64)
        weights = np.exp(closeness[start : start + count] - closeness[start : start + count].max())
        weighted = (rows * weights[:, None]).sum(axis=0) / weights.sum()
        pooled[row] = rows.max(axis=0) if how == "max" else weighted
        start += count
    return pooled
