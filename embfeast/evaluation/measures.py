"""How predictions are scored: row by row for comparisons, and as a whole for the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score

ACCURACY, BALANCED, R2 = "accuracy", "balanced accuracy", "R²"


@dataclass(frozen=True)
class Predicted:
    """A fold's predictions, and the logarithm of the probability that each truth was given."""

    values: NDArray[Any]
    log_p: NDArray[np.float64] | None = None


def predict(model: Any, X: Any, truth: NDArray[Any], learned: int) -> Predicted:
    """Predict with a fitted model.

    No probability counts as less than one row in all those learned from: else a single class
    that was never seen makes a log-loss infinite.
    """
    if not hasattr(model, "predict_proba"):
        return Predicted(np.asarray(model.predict(X), dtype=np.float64))
    p = model.predict_proba(X)
    known = {one: place for place, one in enumerate(model.classes_)}
    places = np.array([known.get(one, -1) for one in truth])
    of_truth = np.where(places >= 0, p[np.arange(len(truth)), places], 0.0)
    log_p = np.log(np.clip(of_truth, 1 / (learned + 1), 1.0))
    return Predicted(model.classes_[p.argmax(axis=1)], log_p)


def row_scores(
    measure: str, folds: Sequence[Predicted], truths: Sequence[NDArray[Any]]
) -> list[NDArray[np.float64]]:
    """Return the score of each row, a fold an array; their mean is the measure.

    Examples
    --------
    >>> truth = [np.array(["a", "a", "a", "b"])]
    >>> row_scores("balanced accuracy", [Predicted(np.array(["a"] * 4))], truth)[0].mean()
    np.float64(0.5)
    """
    everything = np.concatenate(truths)
    if measure == R2:
        variance = float(np.var(everything)) or 1.0
        return [
            1 - np.square(fold.values - truth) / variance
            for fold, truth in zip(folds, truths, strict=True)
        ]
    right = [
        np.asarray(fold.values == truth, dtype=np.float64)
        for fold, truth in zip(folds, truths, strict=True)
    ]
    if measure == ACCURACY:
        return right
    classes, sizes = np.unique(everything, return_counts=True)
    weights = len(everything) / (len(classes) * sizes)
    return [
        one * weights[np.searchsorted(classes, truth)]
        for one, truth in zip(right, truths, strict=True)
    ]


def all_measures(
    folds: Sequence[Predicted], truths: Sequence[NDArray[Any]]
) -> dict[str, float | None]:
    """Return the table's other columns; None where one is not defined."""
    values = np.concatenate([fold.values for fold in folds])
    truth = np.concatenate(truths)
    if truth.dtype == np.float64:
        rank = float(spearmanr(values, truth)[0]) if np.ptp(values) and np.ptp(truth) else None
        return {
            R2: float(r2_score(truth, values)),
            "mean error": float(mean_absolute_error(truth, values)),
            "rank correlation": rank,
        }
    log_p = np.concatenate([fold.log_p for fold in folds if fold.log_p is not None])
    return {
        ACCURACY: float(accuracy_score(truth, values)),
        "macro-F1": float(f1_score(truth, values, average="macro", zero_division=0)),
        "log-loss": float(-log_p.mean()),
    }
