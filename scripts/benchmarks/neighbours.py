"""Labelled neighbours by a graph against the exact search of the same bank."""

import numpy as np

from benchmarks.measure import Row, compared, in_turn, milliseconds, seconds
from benchmarks.texts import texts
from embfeast import Encoder
from embfeast.tricks import LabelledNeighbours
from embfeast.tricks.parts.nearest import nearest, unit

BANK, ASKED, TEXTS, K = 100_000, 8_192, 10_000, 15
REPEATS, SINGLE = 3, 50


def neighbours() -> list[Row]:
    """Time of many rows and of one, the share of the neighbours found, and what the fit costs."""
    vectors = _between_texts(BANK + ASKED)
    bank, asked = vectors[:BANK], vectors[BANK:]
    labels = [f"label {i % 9}" for i in range(BANK)]
    exact = LabelledNeighbours(K, max_labels=BANK)
    graph = LabelledNeighbours(K, max_labels=BANK, search="approximate")
    fits = [[seconds(lambda trick=trick: trick.fit(bank, labels))] for trick in (graph, exact)]
    wanted, found = exact.neighbours(asked[:1_000])[0], graph.neighbours(asked[:1_000])[0]
    recall = np.mean([len(np.intersect1d(*both)) / K for both in zip(wanted, found, strict=True)])
    many = in_turn(
        lambda: seconds(lambda: graph.transform(asked)),
        lambda: seconds(lambda: exact.transform(asked)),
        REPEATS,
    )
    one = in_turn(lambda: _single(graph, asked), lambda: _single(exact, asked), SINGLE)
    about = f"{BANK:,} × {bank.shape[1]}"
    return [
        compared("neighbours", f"exact, {about}, {ASKED:,} rows", *many, "s", ">= 5", inverse=True),
        compared("neighbours", f"exact, {about}, one row", *one, "ms p50", ">= 5", inverse=True),
        Row(
            "neighbours",
            "recall, measured at the fit",
            recall,
            graph.recall_,
            "",
            recall / graph.recall_,
            ">= 0.98",
        ),
        compared("neighbours", f"the fit, {about}", *fits, "s", "<= 1000"),
    ]


def _single(trick: LabelledNeighbours, asked: np.ndarray) -> float:
    """Return the time of one row, which is another one each time."""
    row = np.random.default_rng().integers(len(asked))
    return milliseconds(lambda: trick.transform(asked[row : row + 1]))


def _between_texts(count: int) -> np.ndarray:
    """Return vectors between those of texts that are near each other: more of the same topics."""
    vectors = unit(Encoder().encode(texts(TEXTS)))
    near = nearest(vectors, vectors, 10)[0]
    rng = np.random.default_rng(0)
    first = rng.integers(len(vectors), size=count)
    second = near[first, rng.integers(1, 10, size=count)]
    share = rng.uniform(0.2, 0.8, size=(count, 1)).astype(np.float32)
    mixed = share * vectors[first] + (1 - share) * vectors[second]
    return unit(mixed + 0.01 * rng.standard_normal(mixed.shape, dtype=np.float32))
