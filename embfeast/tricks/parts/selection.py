"""Which columns to keep: by variance, or by what they say about labels."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
from sklearn.linear_model import LogisticRegression, Ridge, lasso_path
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer, StandardScaler
from sklearn.utils.multiclass import type_of_target

Criterion = Literal["variance", "mutual_information", "l1"]

# More rows change the order of columns little and cost much.
MOST_ROWS = 3_000
MOST_CLASSES = 1_000
FOLDS = 5

Matrix = NDArray[np.float64]


def best_columns(
    columns: Matrix, y: Any, criterion: Criterion, count: int | Literal["cv"], seed: int
) -> NDArray[np.int64]:
    """Return the numbers of the columns to keep, rising.

    ``"cv"`` keeps the fewest columns whose cross-validated score is within one standard error of
    the best, ranked anew inside each fold. Rows whose label is missing, or whose class is seen
    once, are left out.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> columns, noise = rng.normal(size=(200, 5)), rng.normal(size=200)
    >>> y = np.where(columns[:, 3] + 0.1 * noise > 0, "late", "on time")
    >>> best_columns(columns, y, "mutual_information", 1, seed=0).tolist()
    [3]
    """
    if y is not None:
        columns, y = _labelled(columns, y)
    if len(columns) > MOST_ROWS:
        drawn = np.sort(np.random.default_rng(seed).permutation(len(columns))[:MOST_ROWS])
        columns, y = columns[drawn], y if y is None else y[drawn]
        if y is not None:
            columns, y = _labelled(columns, y)
    width = _chosen_width(columns, y, criterion, seed) if count == "cv" else int(count)
    best = np.argsort(-_scores(columns, y, criterion, seed), kind="stable")[:width]
    return np.sort(best).astype(np.int64)


def _labelled(columns: Matrix, y: Any) -> tuple[Matrix, NDArray[Any]]:
    """Return the rows that can be used, and their labels."""
    labels = pd.Series(np.asarray(y).reshape(-1))
    if len(labels) != len(columns):
        raise ValueError(f"there are {len(labels)} labels for {len(columns)} rows")
    kept = labels.notna().to_numpy()
    if not kept.any():
        raise ValueError("every label is missing; a selection by labels needs some")
    if not is_number(labels[kept].to_numpy()):
        counts = labels[kept].value_counts()
        kept &= labels.isin(counts.index[counts > 1]).to_numpy()
        classes = int((counts > 1).sum())
        if classes < 2:
            raise ValueError(
                f"the labels have {classes} class{'es' * (classes != 1)} with two rows or more; "
                "a selection needs two"
            )
        if classes > MOST_CLASSES:
            raise ValueError(
                f"the labels have {classes} classes, more than {MOST_CLASSES}; group them, or "
                "give numbers as floats"
            )
    elif kept.sum() < 2:
        raise ValueError("fewer than two rows have a label; a selection needs more")
    found = labels[kept].to_numpy()
    return columns[kept], found if is_number(found) else found.astype(str)


def is_number(labels: NDArray[Any]) -> bool:
    """Tell whether labels are numbers to be predicted, rather than classes."""
    return str(type_of_target(labels)) == "continuous"


def _scores(columns: Matrix, y: NDArray[Any] | None, criterion: str, seed: int) -> Matrix:
    if criterion == "variance" or y is None:
        return np.asarray(columns.var(axis=0))
    if criterion == "mutual_information":
        measure = mutual_info_regression if is_number(y) else mutual_info_classif
        return np.asarray(measure(columns, y, random_state=seed))
    return _order_of_entry(columns, y)


def _order_of_entry(columns: Matrix, y: NDArray[Any]) -> Matrix:
    """Return for each column the largest penalty under which an L1-penalised model takes it."""
    scaled = StandardScaler().fit_transform(columns)
    target = y.astype(np.float64)[:, None] if is_number(y) else LabelBinarizer().fit_transform(y)
    target = target - target.mean(axis=0)
    if target.shape[1] == 1:
        target = target[:, 0]
    penalties, weights, _ = lasso_path(scaled, target, eps=0.01)
    strength = np.abs(weights) if weights.ndim == 2 else np.sqrt(np.square(weights).sum(axis=0))
    taken = strength > 0
    first = np.where(taken.any(axis=1), penalties[taken.argmax(axis=1)], 0.0)
    # Columns that enter at one penalty are told apart by their weight at the last one.
    last = strength[:, -1] / max(float(strength[:, -1].max()), 1e-300)
    return np.asarray(first + 1e-9 * penalties[0] * last)


def _chosen_width(columns: Matrix, y: NDArray[Any] | None, criterion: str, seed: int) -> int:
    assert y is not None  # noqa: S101 - the trick has asked for labels before
    widths = sorted({2**i for i in range(2, 12) if 2**i < columns.shape[1]} | {columns.shape[1]})
    scores = np.array(
        [_fold_scores(columns, y, criterion, seed, train, test, widths)
         for train, test in _folds(columns, y, seed)]
    )  # fmt: skip
    means = scores.mean(axis=0)
    best = int(means.argmax())
    error = scores[:, best].std(ddof=1) / np.sqrt(len(scores))
    return int(widths[int(np.argmax(means >= means[best] - error))])


def _folds(columns: Matrix, y: NDArray[Any], seed: int) -> list[Any]:
    if is_number(y):
        folds = KFold(min(FOLDS, len(y)), shuffle=True, random_state=seed)
    else:
        fewest = int(np.unique(y, return_counts=True)[1].min())
        folds = StratifiedKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
    return list(folds.split(columns, y))


def _fold_scores(
    columns: Matrix,
    y: NDArray[Any],
    criterion: str,
    seed: int,
    train: NDArray[Any],
    test: NDArray[Any],
    widths: list[int],
) -> list[float]:
    order = np.argsort(-_scores(columns[train], y[train], criterion, seed), kind="stable")
    model = Ridge(1.0) if is_number(y) else LogisticRegression(max_iter=500)
    pipeline = make_pipeline(StandardScaler(), model)
    return [
        float(cross_val_score(pipeline, columns[:, order[:w]], y, cv=[(train, test)])[0])
        for w in widths
    ]
