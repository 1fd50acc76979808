"""The models that feature sets are compared with, and how a row is scored."""

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from embfeast.errors import EmbfeastError

Kind = Literal["linear", "trees", "neighbours"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Tried once a feature set, on the first fold's training rows, and then kept: a penalty chosen anew
# in each fold moves scores by more than most tricks do.
PENALTIES = (2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
# The best penalty grows with the rows: what few rows choose is too strong for many.
TUNING_ROWS = 20_000
TUNING_FOLDS = 3
RIDGE_PENALTIES = np.logspace(-3, 3, 13)
NEIGHBOURS = 10
# One tree a class and round: with many classes trees take hours and are no better.
MOST_TREE_CLASSES = 30

Matrix = NDArray[np.float32]


def check_kind(kind: str, labels: NDArray[Any], *, is_number: bool) -> None:
    """Raise EmbfeastError for an unknown model, or one that does not suit the labels."""
    if kind not in KINDS:
        raise EmbfeastError(f"model {kind!r} is unknown; choose from {', '.join(KINDS)}")
    classes = 0 if is_number else len(np.unique(labels))
    if kind == "trees" and classes > MOST_TREE_CLASSES:
        raise EmbfeastError(
            f"boosted trees grow one tree a class and round, and the label has {classes} classes; "
            f"group them into at most {MOST_TREE_CLASSES}, or take model 'linear'"
        )


def tuned_penalty(X: Matrix, y: NDArray[Any], seed: int) -> tuple[float, float]:
    """Return the penalty C with the best cross-validated accuracy, and that accuracy.

    Each penalty counts with its neighbours, so that one lucky fold does not decide.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,), str
    seed : int
    """
    kept = np.random.default_rng(seed).permutation(len(y))[:TUNING_ROWS]
    _, codes = np.unique(y[kept], return_inverse=True)
    # A class with a single row cannot be both learned and scored.
    kept = kept[np.bincount(codes)[codes] >= 2]
    X, y = X[kept], y[kept]
    classes, sizes = np.unique(y, return_counts=True)
    if len(classes) < 2:
        return PENALTIES[2], 0.0
    folds = StratifiedKFold(min(TUNING_FOLDS, int(sizes.min())), shuffle=True, random_state=seed)
    scores = [
        float(cross_val_score(LogisticRegression(C=c, max_iter=500), X, y, cv=folds).mean())
        for c in PENALTIES
    ]
    smooth = [np.mean(scores[max(i - 1, 0) : i + 2]) for i in range(len(scores))]
    best = int(np.argmax(smooth))
    return PENALTIES[best], float(smooth[best])


def build(kind: Kind, *, is_number: bool, penalty: float | None, seed: int, rows: int) -> Any:
    """Return an unfitted model.

    Parameters
    ----------
    kind : {"linear", "trees", "neighbours"}
    is_number : bool
        The labels are numbers.
    penalty : float or None
        C of the logistic regression; 1 without it. Ridge chooses its own by exact leave-one-out.
    seed : int
    rows : int
        Training rows.
    """
    if kind == "linear":
        if is_number:
            return RidgeCV(RIDGE_PENALTIES)
        return LogisticRegression(C=penalty or 1.0, max_iter=500)
    if kind == "trees":
        trees = HistGradientBoostingRegressor if is_number else HistGradientBoostingClassifier
        return trees(random_state=seed, early_stopping=False)
    neighbours = KNeighborsRegressor if is_number else KNeighborsClassifier
    return neighbours(min(NEIGHBOURS, rows), metric="cosine", weights="distance")


def row_scores(
    predicted: NDArray[Any], truth: NDArray[Any], *, is_number: bool, variance: float
) -> NDArray[np.float64]:
    """Return the score of each row; their mean is the accuracy, or R² for numbers.

    Parameters
    ----------
    predicted, truth : ndarray of shape (n,)
    is_number : bool
    variance : float
        Of the labels over all scored rows, for R².
    """
    if not is_number:
        return np.asarray(predicted == truth, dtype=np.float64)
    return np.asarray(1 - np.square(predicted.astype(np.float64) - truth) / variance)
