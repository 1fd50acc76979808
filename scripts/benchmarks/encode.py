"""The encoder against sentence-transformers and against the machine's own limit."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.measure import Row, compared, in_turn, milliseconds, seconds
from benchmarks.texts import texts
from embfeast import Encoder
from embfeast.encoding.model import DEFAULT_MODEL, resolve

BATCH_SIZES = (8, 16, 32, 64, 128)
TEXTS = 2_000
SIDE = 2_048  # of the matrices whose product shows the machine's limit
REPEATS = 5
SINGLE = 200


def encode() -> list[Row]:
    """Texts a second, and the arithmetic behind them."""
    from sentence_transformers import SentenceTransformer

    given = texts(TEXTS)
    ours, theirs = Encoder(), SentenceTransformer(str(resolve(DEFAULT_MODEL).folder), device="cpu")
    size = _best_batch(theirs, given)
    peer = partial(theirs.encode, given, batch_size=size)
    gap = float(np.abs(ours.encode(given) - peer()).max())
    own, other = in_turn(
        lambda: len(given) / seconds(lambda: ours.encode(given)),
        lambda: len(given) / seconds(peer),
        REPEATS,
    )
    against = f"SentenceTransformer.encode, batch {size}"
    work = sum(_operations(len(own) + 2) for own in ours.pieces(given)) / 1e9
    rates = in_turn(lambda: work / seconds(lambda: ours.encode(given)), _product_rate, REPEATS)
    return [
        compared("encode", against, own, other, "texts/s", ">= 1.5"),
        Row("encode", "largest difference to it", gap, 1e-5, "", gap / 1e-5, "<= 1"),
        compared("encode", f"float32 product of {SIDE}²", *rates, "GFLOP/s", ">= 0.9"),
    ]


def latency() -> list[Row]:
    """One text at a time."""
    from sentence_transformers import SentenceTransformer

    given = texts(SINGLE)
    ours, theirs = Encoder(), SentenceTransformer(str(resolve(DEFAULT_MODEL).folder), device="cpu")
    own: list[float] = []
    other: list[float] = []
    for text in given:
        own.append(milliseconds(partial(ours.encode, [text])))
        other.append(milliseconds(partial(theirs.encode, text)))
    against = "SentenceTransformer.encode of one text"
    return [compared("latency", against, own[10:], other[10:], "ms p50", "<= 0.35")]


def _best_batch(model: object, given: list[str]) -> int:
    """Return the batch size at which sentence-transformers is fastest here."""
    sample = given[: len(given) // 4]
    model.encode(sample)  # the first call sets things up
    return min(
        BATCH_SIZES,
        key=lambda size: statistics.median(
            seconds(partial(model.encode, sample, batch_size=size)) for _ in range(3)
        ),
    )


def _operations(pieces: int) -> int:
    """Return the multiplications and additions of all-MiniLM-L6-v2's matrix products for a text.

    A layer has four square projections, two to and from the wide layer, and attention's two
    products of pieces with pieces.
    """
    width, wide, layers = 384, 1536, 6
    projections = 2 * pieces * (4 * width * width + 2 * width * wide)
    attention = 2 * 2 * pieces * pieces * width
    return layers * (projections + attention)


def _product_rate() -> float:
    """Return GFLOP/s of one large float32 product."""
    one = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)
    _timed(lambda: one @ one)
    return 2 * SIDE**3 / _timed(lambda: one @ one, 5) / 1e9


def _timed(call: Callable[[], object], times: int = 1) -> float:
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times
