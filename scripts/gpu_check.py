"""What a CUDA device makes of it, in under five minutes: `python scripts/gpu_check.py`.

Where there is none it says so and ends with 0.
"""

import json as jsonlib
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.encode import LENGTHS, best_batch, of_length, peer, rate
from benchmarks.measure import Row, compared, in_turn, seconds, table
from benchmarks.repository import make_repository, materialize_all
from benchmarks.texts import texts
from console import console, run
from embfeast import Encoder
from embfeast.repository import Repository, verify

TEXTS = 10_000
REPEATS = 3
SIZES = (64, 128, 256, 512, 1024)
FEW = 256  # of the texts that are encoded alone too, and by the processor
NEEDED = {"float32": ">= 0.9", "bfloat16": ">= 0"}  # texts a second, ours in float32 by theirs


def encoding() -> list[Row]:
    """Texts a second beside sentence-transformers at its best batch size."""
    ours = Encoder(backend="torch")
    rows = []
    for precision, needed in NEEDED.items():
        theirs = peer("cuda")
        if precision == "bfloat16":  # the row says what ours, float32 on a GPU, costs
            theirs = theirs.bfloat16()
        for length in LENGTHS:
            given = of_length(length, TEXTS)
            ours.encode(given)
            size = best_batch(theirs, given, SIZES)
            call = partial(theirs.encode, batch_size=size)
            rates = in_turn(partial(rate, ours.encode, given), partial(rate, call, given), REPEATS)
            against = f"SentenceTransformer.encode in {precision}, batch {size}, {length} pieces"
            rows.append(compared("gpu-encode", against, *rates, "texts/s", needed))
    return rows


def the_same() -> list[Row]:
    """How far a text's vector varies: with the texts beside it, and from the processor's."""
    given = texts(FEW)
    ours = Encoder(backend="torch")
    found = ours.encode(given)
    others = {
        "a text alone": np.concatenate([ours.encode([text]) for text in given]),
        "ONNX Runtime on the processor": Encoder(backend="onnx").encode(given),
        "SentenceTransformer.encode on the GPU": peer("cuda").encode(given),
    }
    gaps = {against: float(np.abs(found - other).max()) for against, other in others.items()}
    return [
        Row("gpu-difference", against, gap, 1e-5, "", gap / 1e-5, "<= 1")
        for against, gap in gaps.items()
    ]


def whole_run() -> list[Row]:
    """All views to both stores, beside the encoding alone; and what `verify` then finds."""
    with tempfile.TemporaryDirectory() as folder:
        repo = make_repository(Path(folder) / "repo", TEXTS)
        own = [seconds(partial(materialize_all, repo))]
        broken = [one.detail for one in verify(Repository.open(repo)) if one.level == "broken"]
    other = [seconds(partial(Encoder().encode, texts(TEXTS)))]
    for one in broken:
        console.print(one)
    return [
        compared("gpu-materialize", f"encoding {TEXTS:,} texts", own, other, "s", "<= 3"),
        Row("gpu-verify", "broken promises", len(broken), 0, "", len(broken), "<= 0"),
    ]


def main(
    json: Annotated[bool, typer.Option("--json", help="JSON alone on standard output.")] = False,
) -> None:
    """Measure what embfeast does on this machine's GPU."""
    import torch

    if not torch.cuda.is_available():
        console.print("No CUDA device is here: nothing was measured.")
        return
    found: dict[str, Any] = {"device": torch.cuda.get_device_name()}
    rows = [*encoding(), *the_same(), *whole_run()]
    if json:
        print(jsonlib.dumps(found | {"rows": [row.to_dict() for row in rows]}, indent=1))
        return
    console.print(found["device"])
    console.print(table(rows))


if __name__ == "__main__":
    run(main)
