"""A model in eight bits: how wide its numbers spread is measured on texts once, and kept."""

import contextlib
import hashlib
import io
import itertools
import logging
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from embfeast.encoding.backends.precision import check
from embfeast.encoding.export import GRAPH, exported_model
from embfeast.encoding.facts import cache_folder, kept
from embfeast.encoding.model import GRAPH_ARRAYS, Model
from embfeast.encoding.pieces import Pieces
from embfeast.encoding.settings import ModelSettings
from embfeast.encoding.strings import clean
from embfeast.errors import EmbfeastError

# Of a graph's nodes: with other names the same numbers have another digest.
NAMING = 2
TEXTS = 96
# Of the texts that a recipe is fitted on, at most so many are read.
MOST_FITTED = 256
# How much of the activations' spread goes into the weights (arXiv 2211.10438). With 0.5
# texts of another kind than the calibration's keep a cosine of 0.984 to float32; with 0.95, 0.966.
ALPHA = 0.5
# Of these all texts of the calibration are made, short and long ones.
WHO = ("I", "my neighbour", "the customer", "our team", "the city council", "a nurse", "nobody")
DOES = ("ordered", "cannot open", "was charged for", "would recommend", "has lost", "repaired")
WHAT = (
    "the invoice of last month",
    "a blue winter jacket, size 42",
    "the app on my phone",
    "two tickets to Lisbon",
    "the report on river levels",
    "version 2.1 of the library",
    "that wonderful film",
)
WHY = ("because it arrived late.", "and nobody answers!", "for £19.99?", "since Tuesday.", "today.")
# What is no sentence: the widest numbers come from these.
ODD = [
    *["late", "no", "?", "42", "ok thanks", "refund refund refund", "🙂🙂", "a b c d e f g"],
    *["2026-11-27T08:15:00Z", "https://example.org/a?b=1&c=2", "<b>Total</b>: 1,204.50 EUR"],
    *["Straße gesperrt, Züge fallen aus.", "доставка опаздывает", "لم تصل الشحنة بعد"],
    *["ログインできません", "退款还没到账"],
    *["word " * 60, "no no no " * 80, "0 1 2 3 4 5 6 7 8 9 " * 12, "AAAA BBBB CCCC " * 20],
]


def calibration_texts() -> list[str]:
    """Return texts of one word to twenty sentences, always the same.

    Examples
    --------
    >>> len(calibration_texts()), calibration_texts()[0]
    (116, 'I ordered the invoice of last month because it arrived late.')
    """
    every = [" ".join(parts) for parts in itertools.product(WHO, DOES, WHAT, WHY)]
    texts, start = [], 0
    for number in range(TEXTS):
        count = 1 + number % 20 if number % 4 == 3 else 1
        # A step that shares no factor with their number meets every part.
        texts.append(" ".join(every[(start + i) * 211 % len(every)] for i in range(count)))
        start += count
    return [*texts, *ODD]


def quantized_model(model: Model) -> Path:
    """Return the path of a model's graph in eight bits, made at the first call.

    Notes
    -----
    Post-training quantization by NNCF: weights a channel, activations by what the calibration's
    texts reach.
    """
    check("int8")
    if model.graph is not None:
        return model.graph
    path = kept(model, f"-{GRAPH}-int8-{NAMING}.xml")
    if path.exists():
        return path
    graph = exported_model(model)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            # One graph of a model, whatever prompt or window is asked of it.
            plain = Model(ModelSettings(name=model.name), model.folder, model.files)
            half = path.with_name(f"{path.stem}.{os.getpid()}.tmp.xml")
            _quantize(graph, Pieces(plain).read(calibration_texts()), half)
            _move(half, path)
    return path


def fitted_graph(model: Model, texts: Sequence[str], seed: int) -> Path:
    """Return the path of a model's graph in eight bits, calibrated on texts of a user.

    At most 256 of them are drawn by the seed, each once; embfeast's own texts come beside them, so
    that a text unlike them is not cut off. No text is kept.
    """
    check("int8")
    distinct = sorted(set(texts))
    drawn = np.random.default_rng(seed).permutation(len(distinct))[:MOST_FITTED]
    read = [clean(distinct[i]) for i in np.sort(drawn)] + calibration_texts()
    half = _own_graph(f"{uuid.uuid4().hex}.tmp")
    _quantize(exported_model(model), Pieces(model).read(read), half)
    path = _own_graph(digest_of(half)[:32])
    _move(half, path)
    return path


def graph_arrays(path: Path) -> dict[str, NDArray[np.uint8]]:
    """Return a graph as arrays, as a fitted recipe keeps it.

    Raises
    ------
    EmbfeastError
        The cache folder has lost it.
    """
    files = zip(GRAPH_ARRAYS, (path, path.with_suffix(".bin")), strict=True)
    try:
        return {name: np.frombuffer(file.read_bytes(), np.uint8) for name, file in files}
    except OSError as error:
        raise EmbfeastError(
            f"{path}: the graph that the recipe was fitted with cannot be read: {error.strerror}",
            "fit again",
        ) from error


def graph_of(arrays: Mapping[str, NDArray[np.uint8]]) -> Path:
    """Return the path of a graph that a fitted recipe has kept.

    Raises
    ------
    EmbfeastError
        The cache folder cannot be written.
    """
    graph, weights = (arrays[name].tobytes() for name in GRAPH_ARRAYS)
    digest = hashlib.sha256(graph + weights).hexdigest()
    path = _own_graph(digest[:32])
    if not _is_there(path, digest):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            half = _own_graph(f"{uuid.uuid4().hex}.tmp")
            half.write_bytes(graph)
            half.with_suffix(".bin").write_bytes(weights)
            _move(half, path)
        except OSError as error:
            raise EmbfeastError(
                f"{path.parent}: the recipe's graph cannot be kept there: {error.strerror}",
                "name a folder that can be written by EMBFEAST_CACHE_DIR",
            ) from error
    return path


def _own_graph(name: str) -> Path:
    """Return where a graph of a recipe's own is kept."""
    return cache_folder() / "models" / f"int8-{name}.xml"


def _is_there(path: Path, digest: str) -> bool:
    try:
        return digest_of(path) == digest
    except OSError:
        return False


def _move(half: Path, path: Path) -> None:
    half.with_suffix(".bin").replace(path.with_suffix(".bin"))
    half.replace(path)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a graph: two processors may round what they measure differently."""
    total = hashlib.sha256()
    for part in (path, path.with_suffix(".bin")):
        total.update(part.read_bytes())
    return total.hexdigest()


def _quantize(graph: Path, pieces: list[list[int]], path: Path) -> None:
    import nncf
    import openvino

    nncf.set_log_level(logging.ERROR)
    texts: list[Any] = [{"input_ids": np.array([ids], dtype=np.int64)} for ids in pieces]
    with contextlib.redirect_stdout(io.StringIO()):  # where it reports its progress
        quantized = nncf.quantize(
            openvino.Core().read_model(str(graph)),
            nncf.Dataset(texts),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(texts),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=ALPHA)
            ),
        )
    # A name ends in how many nodes the process has made: the same texts would give another digest.
    for number, node in enumerate(quantized.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{number}")
    openvino.save_model(quantized, str(path), compress_to_fp16=False)
