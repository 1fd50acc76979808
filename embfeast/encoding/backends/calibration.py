"""A model in eight bits: how wide its numbers spread is measured on texts once, and kept."""

import hashlib
import itertools
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from embfeast.encoding.backends.precision import check
from embfeast.encoding.export import GRAPH, exported_model
from embfeast.encoding.facts import kept
from embfeast.encoding.model import Model
from embfeast.encoding.pieces import Pieces
from embfeast.encoding.settings import ModelSettings

TEXTS = 96
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
    path = kept(model, f"-{GRAPH}-int8.xml")
    if path.exists():
        return path
    graph = exported_model(model)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            half = path.with_name(f"{path.stem}.{os.getpid()}.tmp.xml")
            _quantize(model, graph, half)
            half.with_suffix(".bin").replace(path.with_suffix(".bin"))
            half.replace(path)
    return path


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a graph: two processors may round what they measure differently."""
    total = hashlib.sha256()
    for part in (path, path.with_suffix(".bin")):
        total.update(part.read_bytes())
    return total.hexdigest()


def _quantize(model: Model, graph: Path, path: Path) -> None:
    import nncf
    import openvino

    nncf.set_log_level(logging.ERROR)
    # One graph of a model, whatever prompt or window is asked of it.
    plain = Model(ModelSettings(name=model.name), model.folder, model.files)
    read = Pieces(plain).read(calibration_texts())
    texts: list[Any] = [{"input_ids": np.array([ids], dtype=np.int64)} for ids in read]
    quantized = nncf.quantize(
        openvino.Core().read_model(str(graph)),
        nncf.Dataset(texts),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(texts),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=ALPHA)
        ),
    )
    openvino.save_model(quantized, str(path), compress_to_fp16=False)
