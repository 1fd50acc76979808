"""The models that feature sets are compared with, and what stands beside them without features."""

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from embfeast.errors import EmbfeastError

Kind = Literal["linear", "trees", "neighbours"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What needs no features: the majority or the mean, and counted words under a linear model.
MAJORITY, MEAN, WORDS = "majority", "mean", "words"
BASELINES = (MAJORITY, MEAN, WORDS)

# Tried once a feature set, on the first fold's training rows, and then kept: a penalty chosen anew
# in each fold moves scores by more than most tricks do.
PENALTIES = (2.5, 7.5, 20.0, 60.0, 160.0)
WORD_PENALTIES = (2.0, 20.0, 200.0)
DEPTHS = (2, 4, 8)
# The best penalty grows with the rows: what few rows choose is too strong for many.
TUNING_ROWS = 20_000
TUNING_FOLDS = 3
RIDGE_PENALTIES = np.logspace(-3, 3, 13)
NEIGHBOURS = 10
# One tree a class and round: with many classes trees take hours and are no better.
MOST_TREE_CLASSES = 30
MOST_TREES = 200
LEAST_FOR_STOPPING = 100  # rows: a tenth of them decides when to stop
MOST_GRAMS = 20_000


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


def tuned(kind: str, X: Any, y: NDArray[Any], *, weigh: bool, seed: int) -> tuple[Any, float]:
    """Return the setting with the best cross-validated score, and that score.

    Each setting counts with its neighbours, so that one lucky fold does not decide.
    """
    is_number = y.dtype == np.float64
    tried = settings_of(kind, is_number=is_number)
    kept = np.random.default_rng(seed).permutation(len(y))[:TUNING_ROWS]
    least = len(kept)
    if not is_number:
        _, codes = np.unique(y[kept], return_inverse=True)
        # A class with a single row cannot be both learned and scored.
        kept = kept[np.bincount(codes)[codes] >= 2]
        classes, sizes = np.unique(y[kept], return_counts=True)
        least = int(sizes.min()) if len(classes) > 1 else 0
    if least < 2 or len(tried) < 2:
        return tried[len(tried) // 2], 0.0
    X = [X[i] for i in kept] if isinstance(X, list) else X[kept]
    splitter = KFold if is_number else StratifiedKFold
    folds = splitter(min(TUNING_FOLDS, least), shuffle=True, random_state=seed)
    measure = "r2" if is_number else "balanced_accuracy" if weigh else "accuracy"
    scores = []
    for setting in tried:
        model = build(kind, setting, y[kept], weigh=weigh, seed=seed)
        scores.append(float(cross_val_score(model, X, y[kept], cv=folds, scoring=measure).mean()))
    smooth = [np.mean(scores[max(i - 1, 0) : i + 2]) for i in range(len(scores))]
    best = int(np.argmax(smooth))
    return tried[best], float(smooth[best])


def settings_of(kind: str, *, is_number: bool) -> tuple[Any, ...]:
    """Return what is tried: C of a linear model, the depth of trees; ridge chooses its own."""
    if kind == "trees":
        return DEPTHS
    if kind == WORDS:
        return WORD_PENALTIES
    return PENALTIES if kind == "linear" and not is_number else (None,)


def build(kind: str, setting: Any, y: NDArray[Any], *, weigh: bool, seed: int) -> Any:
    """Return an unfitted model for these training labels; `weigh` makes classes count alike."""
    is_number = y.dtype == np.float64
    weights = "balanced" if weigh else None
    if kind in (MAJORITY, MEAN):
        return DummyRegressor() if is_number else DummyClassifier(strategy="prior")
    if kind == WORDS:
        # Parts of words, whole short words among them: scripts without spaces are counted too.
        counted = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, max_features=MOST_GRAMS
        )
        if is_number:
            return make_pipeline(counted, Ridge(20 / setting))
        one = LogisticRegression(C=setting, solver="liblinear", class_weight=weights)
        return make_pipeline(counted, OneVsRestClassifier(one))
    if kind == "linear":
        if is_number:
            return RidgeCV(RIDGE_PENALTIES)
        return LogisticRegression(C=setting, max_iter=500, class_weight=weights)
    if kind == "trees":
        given = {
            "max_depth": setting,
            "max_iter": MOST_TREES,
            "early_stopping": _can_stop_early(y, is_number=is_number),
            "random_state": seed,
        }
        if is_number:
            return HistGradientBoostingRegressor(**given)
        return HistGradientBoostingClassifier(class_weight=weights, **given)
    neighbours = KNeighborsRegressor if is_number else KNeighborsClassifier
    return neighbours(min(NEIGHBOURS, len(y)), metric="cosine", weights="distance")


def _can_stop_early(y: NDArray[Any], *, is_number: bool) -> bool:
    """Tell whether a tenth of the rows can be held out with every class on both sides."""
    if is_number:
        return len(y) >= LEAST_FOR_STOPPING
    sizes = np.unique(y, return_counts=True)[1]
    # Tuning learns from two thirds of them.
    enough = max(LEAST_FOR_STOPPING, 20 * len(sizes))
    return len(y) >= enough and int(sizes.min()) >= 2 * TUNING_FOLDS
