"""The encoder against sentence-transformers and against the machine's own limit."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Row, compared, in_turn, milliseconds, seconds
from benchmarks.static_model import static_model
from benchmarks.texts import BANKING, texts
from embfeast import EmbfeastError, Encoder
from embfeast.encoding.backends.precision import lacking
from embfeast.encoding.model import DEFAULT_MODEL, resolve
from embfeast.encoding.settings import Precision

BATCH_SIZES = (8, 16, 32, 64, 128)
TEXTS = 2_000
SIDE = 2_048  # of the matrices whose product shows the machine's limit
REPEATS = 5
SINGLE = 200
# Word pieces of a text, and how many times sentence-transformers' rate is wanted.
LENGTHS = {17: ">= 1.4", 100: ">= 1.3", 250: ">= 1.3"}
SINGLE_NEEDED = ("<= 0.35", "<= 0.4", "<= 0.5")


def encode() -> list[Row]:
    """Texts a second at three lengths, and the arithmetic behind them."""
    theirs = peer()
    rows = []
    for length, needed in LENGTHS.items():
        given = of_length(length)
        ours = Encoder()
        rows += _beside(theirs, ours, given, length, "encode", needed)
        gap = float(np.abs(ours.encode(given) - theirs.encode(given)).max())
        rows.append(
            Row("encode", f"largest difference, {length} pieces", gap, 1e-5, "", gap / 1e-5, "<= 1")
        )
        work = sum(_operations(len(own) + 2) for own in ours.pieces(given)) / 1e9
        rates = in_turn(partial(rate, ours.encode, given, work=work), _product_rate, REPEATS)
        against = f"float32 product of {SIDE}², {length} pieces"
        rows.append(compared("encode", against, *rates, "GFLOP/s", ">= 0.9"))
    return rows


def encode_bfloat16() -> list[Row]:
    """bfloat16 by OpenVINO."""
    return _reduced("bfloat16", ">= 2.4")


def encode_int8() -> list[Row]:
    """Eight bits by OpenVINO."""
    return _reduced("int8", ">= 3.5")


def encode_static() -> list[Row]:
    """Speed of a table of vectors, and how much of Banking77 it knows."""
    with tempfile.TemporaryDirectory() as folder:
        static, ours = Encoder(static_model(Path(folder))), Encoder()
        given = of_length(17)
        for encoder in (static, ours):
            encoder.encode(given[:SINGLE])
        rates = in_turn(
            partial(rate, static.encode, given), partial(rate, ours.encode, given), REPEATS
        )
        rows = [compared("encode-static", "all-MiniLM-L6-v2, ours", *rates, "texts/s", ">= 50")]
        if BANKING.exists():  # no bound: what is lost is the user's to weigh
            scores = _accuracy(static), _accuracy(ours)
            against = "all-MiniLM-L6-v2, Banking77, ten folds"
            lost = scores[1] - scores[0]
            rows.append(Row("encode-static", against, *scores, "%", lost, "<= 100"))
    return rows


def int8_quality() -> list[Row]:
    """Accuracy of a linear model on Banking77, ten folds, in points."""
    scores = [_accuracy(Encoder(precision=precision)) for precision in ("int8", "float32")]
    lost = scores[1] - scores[0]
    return [Row("int8-quality", "float32, Banking77, ten folds", *scores, "%", lost, "<= 0.3")]


def _accuracy(encoder: Encoder) -> float:
    """Return the percentage of Banking77's questions that a linear model knows, ten folds."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    rows = pd.read_csv(BANKING)
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    vectors = encoder.encode(rows["text"].tolist())
    model = LogisticRegression(C=30, max_iter=300)
    found = cross_val_score(model, vectors, rows["category"], cv=folds, n_jobs=2)
    return 100 * float(found.mean())


def latency() -> list[Row]:
    """One text at a time, at three lengths."""
    theirs = peer()
    rows = []
    for (length, _), needed in zip(LENGTHS.items(), SINGLE_NEEDED, strict=True):
        given = of_length(length)[:SINGLE]
        ours = Encoder()
        own: list[float] = []
        other: list[float] = []
        for text in given:
            own.append(milliseconds(partial(ours.encode, [text])))
            other.append(milliseconds(partial(theirs.encode, text)))
        against = f"SentenceTransformer.encode of one text, {length} pieces"
        rows.append(compared("latency", against, own[10:], other[10:], "ms p50", needed))
    return rows


def peer(device: str = "cpu") -> Any:
    """Open the model in sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(resolve(DEFAULT_MODEL).folder), device=device)


def of_length(pieces: int, total: int = TEXTS) -> list[str]:
    """Return texts of about so many word pieces: so many questions, put together."""
    joined = max(1, round(pieces / 16))
    count = max(SINGLE, total // joined)
    given = texts(min(count * joined, max(total, 9_000)))
    return [" ".join(given[i : i + joined]) for i in range(0, len(given), joined)][:count]


def _reduced(precision: Precision, needed: str) -> list[Row]:
    if reason := lacking(precision):
        raise EmbfeastError(f"{precision} cannot be measured here: {reason}")
    theirs, ours = peer(), Encoder(precision=precision)
    rows = []
    for length in LENGTHS:
        given = of_length(length)
        rows += _beside(theirs, ours, given, length, f"encode-{precision}", needed)
    return rows


def _beside(
    theirs: Any, ours: Encoder, given: list[str], length: int, name: str, needed: str
) -> list[Row]:
    size = best_batch(theirs, given)
    ours.encode(given)  # each shape is set up once
    call = partial(theirs.encode, batch_size=size)
    rates = in_turn(partial(rate, ours.encode, given), partial(rate, call, given), REPEATS)
    against = f"SentenceTransformer.encode, batch {size}, {length} pieces"
    return [compared(name, against, *rates, "texts/s", needed)]


def rate(call: Callable[[list[str]], object], given: list[str], work: float = 0) -> float:
    """Return texts a second, or another measure of work."""
    return (work or len(given)) / seconds(partial(call, given))


def best_batch(model: Any, given: list[str], sizes: Sequence[int] = BATCH_SIZES) -> int:
    """Return the batch size at which sentence-transformers is fastest here."""
    sample = given[: len(given) // 4]
    model.encode(sample)  # the first call sets things up
    return min(
        sizes,
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
