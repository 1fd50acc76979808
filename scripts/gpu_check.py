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

from benchmarks.encode import best_batch, peer, rate
from benchmarks.measure import Row, compared, in_turn, seconds, table
from benchmarks.repository import make_repository, materialize_all
from benchmarks.texts import texts
from console import console, run
from embfeast import Encoder

TEXTS = 10_000
REPEATS = 3
SIZES = (64, 128, 256, 512, 1024)
FEW = 256  # of the texts that are encoded alone too


def encoding() -> list[Row]:
    """Texts a second beside sentence-transformers at its best batch size."""
    given = texts(TEXTS)
    ours = Encoder(backend="torch")
    ours.encode(given)
    rows = []
    for precision in ("float32", "bfloat16"):
        theirs = peer("cuda")
        if precision == "bfloat16":
            theirs = theirs.bfloat16()
        size = best_batch(theirs, given, SIZES)
        call = partial(theirs.encode, batch_size=size)
        rates = in_turn(partial(rate, ours.encode, given), partial(rate, call, given), REPEATS)
        # Ours computes float32 on a GPU: beside bfloat16 the row says what that costs.
        against = f"SentenceTransformer.encode in {precision}, batch {size}"
        needed = ">= 0.9" if precision == "float32" else ">= 0"
        rows.append(compared("gpu-encode", against, *rates, "texts/s", needed))
    return rows


def with_the_batch() -> list[Row]:
    """How far a text's vector varies with the texts beside it."""
    given = texts(FEW)
    ours = Encoder(backend="torch")
    alone = np.concatenate([ours.encode([text]) for text in given])
    gap = float(np.abs(ours.encode(given) - alone).max())
    return [Row("gpu-batch", "a text alone", gap, 1e-5, "", gap / 1e-5, "<= 1")]


def whole_run() -> list[Row]:
    """All views to both stores, beside the encoding alone."""
    with tempfile.TemporaryDirectory() as folder:
        repo = make_repository(Path(folder) / "repo", TEXTS)
        own = [seconds(partial(materialize_all, repo))]
    other = [seconds(partial(Encoder().encode, texts(TEXTS)))]
    return [compared("gpu-materialize", f"encoding {TEXTS:,} texts", own, other, "s", "<= 3")]


def main(
    json: Annotated[bool, typer.Option("--json", help="JSON alone on standard output.")] = False,
) -> None:
    """Measure what embfeast does on this machine's GPU."""
    import torch

    if not torch.cuda.is_available():
        console.print("No CUDA device is here: nothing was measured.")
        return
    found: dict[str, Any] = {"device": torch.cuda.get_device_name()}
    rows = [*encoding(), *with_the_batch(), *whole_run()]
    if json:
        print(jsonlib.dumps(found | {"rows": [row.to_dict() for row in rows]}, indent=1))
        return
    console.print(found["device"])
    console.print(table(rows))


if __name__ == "__main__":
    run(main)
