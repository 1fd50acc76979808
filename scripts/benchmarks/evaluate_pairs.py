"""Tell which pair features say whether two texts have the same label.

In scripts/: `python -m benchmarks.evaluate_pairs reviews.csv --text body --label topic`. Pairs are
drawn half with equal, half with different labels; no text of a training pair is in a scored one.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from console import console, run
from embfeast import EmbfeastError, Encoder
from embfeast.encoding import EmbeddingCache
from embfeast.scaffold.loading import labelled_texts
from embfeast.tricks import PairInteraction

SETS = {
    "cosine": PairInteraction(("cosine",)),
    "left, right": PairInteraction(("left", "right")),
    "|a−b|": PairInteraction(("absolute_difference",)),
    "a∗b": PairInteraction(("product",)),
    "left, right, |a−b|, a∗b": PairInteraction(),
    "the same, PCA 64": PairInteraction(n_components=64),
    "order-free: a+b, |a−b|, a∗b": PairInteraction(order_free=True),
}


def draw_pairs(
    labels: np.ndarray, rows: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of rows, half of them with equal labels, and whether they are."""
    left = rng.choice(rows, count)
    same = np.arange(count) % 2 == 0
    right = np.empty_like(left)
    for number, row in enumerate(left):
        fits = rows[(labels[rows] == labels[row]) == same[number]]
        right[number] = rng.choice(fits[fits != row])
    return np.stack([left, right], axis=1), same


def main(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON Lines.")],
    text: Annotated[str, typer.Option(help="Text column.")] = "text",
    label: Annotated[str, typer.Option(help="Label column.")] = "category",
    model: Annotated[str, typer.Option(help="The encoder.")] = "all-MiniLM-L6-v2",
    pairs: Annotated[int, typer.Option(help="Training pairs, and scored ones.")] = 4_000,
    draws: Annotated[int, typer.Option(help="How often texts and pairs are drawn anew.")] = 10,
) -> None:
    """Compare pair features by the area under the curve of a logistic regression."""
    table = labelled_texts(file, text, label, None).dropna()
    labels = table["label"].astype(str).to_numpy()
    _, counts = np.unique(labels, return_counts=True)
    if len(counts) < 2 or counts.min() < 4:
        raise EmbfeastError(f"{label!r} needs two classes or more, each with four rows or more")
    vectors = Encoder(model, cache=EmbeddingCache()).encode(table["text"].tolist())
    scores: dict[str, list[float]] = {name: [] for name in SETS}
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        # Every class has texts on both sides.
        order = np.lexsort((rng.random(len(labels)), labels))
        sides = [draw_pairs(labels, order[side::2], pairs, rng) for side in (0, 1)]
        (train, y), (test, truth) = sides
        for name, trick in SETS.items():
            X, Z = (np.hstack([vectors[p[:, 0]], vectors[p[:, 1]]]) for p in (train, test))
            learner = make_pipeline(trick, StandardScaler(), LogisticRegression(C=0.01))
            decided = learner.fit(X, y).decision_function(Z)
            scores[name].append(roc_auc_score(truth, decided))
    shown = Table("features", "area under the curve", "difference to cosine")
    for name, found in scores.items():
        gap = np.subtract(found, scores["cosine"])
        shown.add_row(name, f"{np.mean(found):.4f}", f"{gap.mean():+.4f} ± {gap.std(ddof=1):.4f}")
    console.print(shown)


if __name__ == "__main__":
    run(main)
