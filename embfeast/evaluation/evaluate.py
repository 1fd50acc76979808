"""Compare feature sets on a label, everything fitted inside each fold."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.utils.multiclass import type_of_target
from threadpoolctl import threadpool_limits

from embfeast.encoding import Encoder
from embfeast.errors import EmbfeastError
from embfeast.evaluation.comparison import Difference, differences
from embfeast.evaluation.models import Kind, build, check_kind, row_scores, tuned_penalty
from embfeast.evaluation.result import Evaluation, Row
from embfeast.evaluation.sets import RAW, Blocks, FeatureSet, feature_sets, joined, make_blocks
from embfeast.evaluation.splits import Fold, SplitBy, folds_by_chance, folds_by_time
from embfeast.recipe import Recipe
from embfeast.recipe.fitted import is_missing
from embfeast.recipe.join import Scale

# How blocks may be scaled before they are joined, as `join` entries of a recipe do it. Which suits
# a linear model is chosen with its penalty: a small block at full length drowns a wide one's
# penalty, at its width's share it may itself be drowned.
SCALES: tuple[Scale, ...] = ("unit", "width")
TIMED_ROWS = 200
# Shown beside trees and neighbours: what a linear model on raw embeddings reaches.
LINEAR_RAW = "linear model on raw"


@dataclass
class Task:
    """The rows that can be used, and what they are compared on.

    Attributes
    ----------
    texts : list of str
    labels : ndarray of shape (n,)
    is_number : bool
    folds : list of (train, test)
    left_out : int
    """

    texts: list[str]
    labels: NDArray[Any]
    is_number: bool
    folds: list[Fold]
    left_out: int


@dataclass(frozen=True)
class Tuned:
    """What is chosen once a feature set for the linear model, and then kept in all folds."""

    scale: Scale = SCALES[0]
    penalty: float | None = None


@dataclass
class Scores:
    """Row scores by model and feature set, a fold an array; and what the sets cost."""

    rows: dict[tuple[str, str], list[NDArray[np.float64]]] = field(default_factory=dict)
    tuned: dict[str, Tuned] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def merged(self, other: "Scores") -> "Scores":
        """Return both: the same folds, other sets."""
        return Scores(
            self.rows | other.rows,
            self.tuned | other.tuned,
            self.widths | other.widths,
            self.seconds | other.seconds,
        )


def evaluate(
    texts: Sequence[str | None],
    labels: Sequence[Any],
    recipe: Recipe,
    *,
    timestamps: Any = None,
    split: SplitBy = "time",
    folds: int = 10,
    models: Sequence[Kind] = ("linear",),
    train_rows: int | None = None,
    sets: Sequence[FeatureSet] | None = None,
    encoder: Encoder | None = None,
    seed: int = 0,
    progress: Callable[[float], Any] | None = None,
) -> Evaluation:
    """Compare raw embeddings, each trick alone and beside raw, and the recipe as a whole.

    Parameters
    ----------
    texts : sequence of str or None, length n
    labels : sequence, length n
        Classes, or numbers with a fraction. Rows without text or label are left out and counted.
    recipe : Recipe
    timestamps : sequence of datetime, length n, optional
        Needed for a split by time.
    split : {"time", "stratified"}, default "time"
        By time: the later half is cut into slices, each predicted from all rows before it.
    folds : int, default 10
    models : sequence of {"linear", "trees", "neighbours"}
        Logistic regression or ridge; boosted trees; nearest neighbours by cosine. Beside trees
        and neighbours, a linear model on raw embeddings is always shown.
    train_rows : int, optional
        Learn from at most this many rows a fold: quicker, and what a user with few labels sees.
    sets : sequence of FeatureSet, optional
        Compare these instead.
    encoder : Encoder, optional
        One with a cache, say.
    seed : int, default 0
    progress : callable, optional
        Called with the share of the work done, from 0 to 1.

    Returns
    -------
    Evaluation

    Raises
    ------
    EmbfeastError
        There are too few rows or classes, or no timestamps for a split by time.

    Notes
    -----
    The recipe is fitted anew on each fold's training rows, labels included where a trick selects
    by them. The penalty of the logistic regression, and how blocks are scaled, are chosen once a
    feature set, in a cross-validation inside the first fold's training rows, and then kept.
    Differences are
    paired row by row; see `embfeast.evaluation.comparison.differences` for the intervals.
    """
    task = prepare(texts, labels, timestamps, split, folds, train_rows, seed)
    scores = score_sets(
        task,
        recipe,
        list(sets or feature_sets(recipe.settings)),
        models,
        encoder=encoder,
        seed=seed,
        progress=progress,
    )
    return result(task, scores, models, split, seed)


def score_sets(
    task: Task,
    recipe: Recipe,
    compared: list[FeatureSet],
    models: Sequence[Kind],
    *,
    encoder: Encoder | None,
    seed: int,
    progress: Callable[[float], Any] | None,
) -> Scores:
    """Fit and score every set under every model in every fold; raw is always among the sets."""
    for model in models:
        check_kind(model, task.labels, is_number=task.is_number)
    encoder = encoder or Encoder(recipe.settings.model)
    if compared[0].name != RAW:
        compared = [FeatureSet(RAW, (RAW,)), *compared]
    scores = Scores()
    for number, (train, test) in enumerate(task.folds):
        _score_fold(task, recipe, encoder, train, test, compared, models, seed, scores)
        if progress:
            progress((number + 1) / len(task.folds))
    return scores


def prepare(
    texts: Sequence[str | None],
    labels: Sequence[Any],
    timestamps: Any,
    split: SplitBy,
    folds: int,
    train_rows: int | None,
    seed: int,
) -> Task:
    """Return the rows that can be used and their folds.

    Raises
    ------
    EmbfeastError
        Lengths differ, or there are too few rows or classes.
    """
    texts = list(texts)  # a pandas Series would be asked by its index, not by position
    given = pd.Series(list(labels), dtype=object)
    if len(given) != len(texts):
        raise EmbfeastError(f"there are {len(given)} labels for {len(texts)} texts")
    if folds < 2:
        raise EmbfeastError(f"folds={folds} is not valid; give at least 2, better 10")
    kept = np.flatnonzero(
        [not is_missing(t) and not pd.isna(label) for t, label in zip(texts, given, strict=True)]
    )
    if not len(kept):
        raise EmbfeastError("no row has both a text and a label")
    found = given.iloc[kept].infer_objects().to_numpy()
    is_number = str(type_of_target(found)) == "continuous"
    found = found.astype(np.float64) if is_number else found.astype(str)
    if len(np.unique(found)) < 2:
        raise EmbfeastError(
            f"the label is {str(found[0])!r} in every row; there is nothing to tell"
        )
    if split == "time":
        if timestamps is None:
            raise EmbfeastError("a split by time needs timestamps; or take split='stratified'")
        times = pd.Series(list(timestamps))
        if len(times) != len(texts):
            raise EmbfeastError(f"there are {len(times)} timestamps for {len(texts)} texts")
        made = folds_by_time(times.iloc[kept], folds, train_rows)
    elif split == "stratified":
        made = folds_by_chance(found, folds, seed, is_number=is_number, rows=train_rows)
    else:
        raise EmbfeastError(f"split={split!r} is unknown; choose from time, stratified")
    return Task([str(texts[int(i)]) for i in kept], found, is_number, made, len(texts) - len(kept))


def _score_fold(
    task: Task,
    recipe: Recipe,
    encoder: Encoder,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    compared: list[FeatureSet],
    models: Sequence[Kind],
    seed: int,
    scores: Scores,
) -> None:
    own, held = [task.texts[i] for i in train], [task.texts[i] for i in test]
    y, truth = task.labels[train], task.labels[test]
    fitted = recipe.fit(own, labels=y, encoder=encoder)
    blocks = make_blocks(fitted, own, held, seed)
    if not scores.seconds:
        _measure_cost(blocks, fitted, held, compared, scores)
    jobs: list[tuple[Kind, FeatureSet]] = [(m, s) for m in models for s in compared]
    if "linear" not in models:
        jobs.append(("linear", compared[0]))
    variance = (
        float(np.var(np.concatenate([task.labels[t] for _, t in task.folds])))
        if (task.is_number)
        else 1.0
    )
    found = Parallel(n_jobs=-1)(
        delayed(_score)(
            kind,
            [blocks[name] for name in one.blocks],
            y,
            truth,
            task.is_number,
            scores.tuned.get(one.name) if kind == "linear" else Tuned(),
            seed,
            variance,
        )
        for kind, one in jobs
    )
    for (kind, one), (rows, tuned) in zip(jobs, found, strict=True):
        scores.rows.setdefault((kind, one.name), []).append(rows)
        if kind == "linear":
            scores.tuned[one.name] = tuned


def _score(
    kind: Kind,
    blocks: list[tuple[NDArray[Any], NDArray[Any]]],
    y: NDArray[Any],
    truth: NDArray[Any],
    is_number: bool,
    tuned: Tuned | None,
    seed: int,
    variance: float,
) -> tuple[NDArray[np.float64], Tuned]:
    with threadpool_limits(1):  # one process a core does the work; more threads only get in its way
        if tuned is None:
            tuned = Tuned() if is_number else _tune(blocks, y, seed)
        train, test = joined(blocks, tuned.scale)
        if not is_number and len(np.unique(y)) < 2:
            predicted: NDArray[Any] = np.repeat(y[:1], len(test))  # nothing else was known by then
        else:
            model = build(kind, is_number=is_number, penalty=tuned.penalty, seed=seed, rows=len(y))
            predicted = model.fit(train, y).predict(test)
    return row_scores(predicted, truth, is_number=is_number, variance=variance), tuned


def _tune(blocks: list[tuple[NDArray[Any], NDArray[Any]]], y: NDArray[Any], seed: int) -> Tuned:
    widths = {train.shape[1] for train, _ in blocks}
    tried = []
    for scale in SCALES if len(widths) > 1 else SCALES[:1]:
        penalty, score = tuned_penalty(joined(blocks, scale)[0], y, seed)
        tried.append((score, Tuned(scale, penalty)))
    return max(tried, key=lambda one: one[0])[1]


def _measure_cost(
    blocks: Blocks, fitted: Any, held: list[str], compared: list[FeatureSet], scores: Scores
) -> None:
    """Keep each set's width, and the time of its tricks on texts that are encoded already."""
    some = held[:TIMED_ROWS]
    took: dict[str, float] = {}
    for name in {block for one in compared for block in one.blocks}:
        entries = [name] if name in fitted.entries else []
        start = time.perf_counter()
        fitted.matrices(some, entries)
        took[name] = (time.perf_counter() - start) / len(some)
    for one in compared:
        scores.widths[one.name] = sum(blocks[block][0].shape[1] for block in one.blocks)
        scores.seconds[one.name] = sum(took[block] for block in one.blocks)


def result(task: Task, scores: Scores, models: Sequence[Kind], split: str, seed: int) -> Evaluation:
    """Return every set's score and its difference to raw under the same model."""
    rows = []
    for model in models:
        own = {name: folds for (kind, name), folds in scores.rows.items() if kind == model}
        base = own[RAW]
        compared = {name: folds for name, folds in own.items() if name != RAW}
        if model != "linear":
            compared[LINEAR_RAW] = scores.rows["linear", RAW]
        found = differences(compared, base, seed=seed)
        rows.append(_row(model, RAW, scores, base, None))
        rows += [_row(model, n, scores, compared[n], found[n]) for n in compared]
    return Evaluation(
        rows=rows,
        measure="R²" if task.is_number else "accuracy",
        split=split,
        folds=len(task.folds),
        texts=len(task.texts),
        left_out=task.left_out,
        scored=sum(len(test) for _, test in task.folds),
        comparisons=len(compared),
    )


def _row(
    model: str,
    name: str,
    scores: Scores,
    own: list[NDArray[np.float64]],
    apart: Difference | None,
) -> Row:
    linear = model == "linear" or name == LINEAR_RAW
    features = RAW if name == LINEAR_RAW else name
    tuned = scores.tuned[features] if linear else Tuned()
    return Row(
        model="linear" if linear else model,
        features=features,
        score=float(np.concatenate(own).mean()),
        difference=apart.mean if apart else 0.0,
        low=apart.low if apart else 0.0,
        high=apart.high if apart else 0.0,
        verdict=apart.verdict if apart else "",
        width=scores.widths[features],
        bytes_online=4 * scores.widths[features],
        milliseconds=1000 * scores.seconds[features],
        penalty=tuned.penalty,
        scale=tuned.scale,
    )
