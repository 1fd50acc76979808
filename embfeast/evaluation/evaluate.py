"""Compare feature sets on a label, everything fitted inside each fold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embfeast.encoding import Encoder
from embfeast.evaluation.budget import Tell, most_texts
from embfeast.evaluation.comparison import Difference, differences
from embfeast.evaluation.labels import TaskKind
from embfeast.evaluation.measures import all_measures, row_scores
from embfeast.evaluation.models import BASELINES, WORDS, Kind
from embfeast.evaluation.result import Evaluation
from embfeast.evaluation.row import Row
from embfeast.evaluation.run import Scores, score_sets
from embfeast.evaluation.sets import RAW, FeatureSet, feature_sets
from embfeast.evaluation.splits import ENOUGH_FOLDS, SplitBy, split_by_entity
from embfeast.evaluation.task import Task, prepare
from embfeast.evaluation.verdict import verdict
from embfeast.recipe import Recipe


def evaluate(
    texts: Sequence[str | None],
    labels: Sequence[Any],
    recipe: Recipe,
    *,
    timestamps: Any = None,
    groups: Any = None,
    entities: Mapping[str, Any] | None = None,
    split: SplitBy | None = None,
    folds: int = 10,
    models: Sequence[Kind] = ("linear",),
    task: TaskKind | None = None,
    train_rows: int | None = None,
    budget: float | None = None,
    sets: Sequence[FeatureSet] | None = None,
    others: Sequence[FeatureSet] = (),
    encoder: Encoder | None = None,
    seed: int = 0,
    progress: Callable[[float], Any] | None = None,
    tell: Tell | None = None,
) -> Evaluation:
    """Compare raw embeddings, words, each trick alone and beside raw, and the recipe as a whole.

    Parameters
    ----------
    texts : sequence of str or None, length n
    labels : sequence, length n
        Rows without text or label are left out and counted.
    recipe : Recipe
    timestamps : sequence of datetime, length n, optional
        Needed for a split by time.
    groups : sequence, length n, optional
        Whose text each is; texts of one group lie in one fold of a grouped split.
    entities : mapping of sequence of length n, optional
        Who wrote each text, by the name of the column that `entity_history` entries read: needed
        for such a recipe, with `timestamps`, and the split is grouped by it. Texts without a label
        are part of the history too.
    split : {"time", "grouped", "stratified"}, optional
        By time: the later half is cut into slices, each predicted from all rows before it. By
        default by time where that gives all folds, else grouped where a group has several texts,
        else stratified.
    folds : int, default 10
    models : sequence of {"linear", "trees", "neighbours"}
        Logistic regression or ridge; boosted trees; nearest neighbours by cosine. Beside trees
        and neighbours, a linear model on raw embeddings is always shown.
    task : {"classes", "ordered", "numbers"}, optional
        What the label is. By default names are classes, numbers with a fraction are numbers, and
        three or more whole numbers from 0 to 10 are grades in an order.
    train_rows : int, optional
        Learn from at most this many rows a fold: quicker, and what a user with few labels sees.
    budget : float, optional
        Seconds after encoding. At most 50 texts a second of it are drawn, and a first fold
        decides how many rows are learned from. Without it the result does not depend on time.
    sets : sequence of FeatureSet, optional
        Compare these instead.
    others : sequence of FeatureSet, optional
        Compare these too: plain vectors of other models, made by `other_models`.
    encoder : Encoder, optional
        One with a cache, say.
    seed : int, default 0
    progress : callable, optional
        Called with the share of the work done, from 0 to 1.
    tell : callable, optional
        Called with a line on what is going to be done, and on how far it is.

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
    by them; so are the words. A model's setting (C of the logistic regression, the depth of
    trees), and how blocks are scaled, are chosen once a feature set, in a cross-validation inside
    the first fold's training rows, and then kept. Differences are paired row by row;
    `embfeast.evaluation.comparison.differences` says how intervals are made.
    """
    groups, split, entities = split_by_entity(recipe.settings, groups, split, entities)
    prepared = prepare(
        texts, labels, timestamps=timestamps, groups=groups, split=split, folds=folds,
        train_rows=train_rows, task=task, most_texts=most_texts(budget), entities=entities,
        seed=seed,
    )  # fmt: skip
    compared = [*(sets or feature_sets(recipe.settings)), *others]
    prepared, scores = score_sets(
        prepared, recipe, compared, models,
        encoder=encoder, budget=budget, progress=progress, tell=tell,
    )  # fmt: skip
    return result(prepared, scores, models)


def result(task: Task, scores: Scores, models: Sequence[Kind]) -> Evaluation:
    """Return every set's score and its difference to raw under the same model."""
    truths = [task.labels[test] for _, test in task.folds]
    by_row = {
        key: row_scores(task.measure, folds, truths) for key, folds in scores.predicted.items()
    }
    rows: list[Row] = []
    said = []
    for model in models:
        keys = [key for key in by_row if key[0] in BASELINES]
        keys += [key for key in by_row if key[0] == model]
        if model != "linear":
            keys.append(("linear", RAW))
        raw = (model, RAW)
        base = by_row[raw]
        others = {key: by_row[key] for key in keys if key != raw}
        # Two families: what stands beside the sets does not widen the sets' own intervals.
        beside = {key: others.pop(key) for key in list(others) if key[0] in BASELINES}
        to_raw = differences(others, base, seed=task.seed)
        to_raw |= differences(beside, base, seed=task.seed)
        over = {
            key[0]: differences(
                {one: by_row[one] for one in keys if one != key}, by_row[key], seed=task.seed
            )
            for key in keys
            if key[0] in BASELINES
        }
        block = []
        for key in keys:
            row = _row(key, task, scores, by_row[key], to_raw.get(key))
            own = {name: found[key] for name, found in over.items() if key in found}
            measures = all_measures(scores.predicted[key], truths)
            block.append(replace(row, over=own, measures=measures))
        said.append(verdict(block, model, task.measure))
        rows += block
    notes = list(task.notes)
    if len(task.folds) < ENOUGH_FOLDS:
        notes.append(
            f"only {len(task.folds)} fold{'s' * (len(task.folds) > 1)}: fewer than "
            f"{ENOUGH_FOLDS} say little of what other training rows would change, and the "
            "intervals may be too narrow"
        )
    if task.weigh:
        notes.append(
            "classes are uneven: sets are ranked by balanced accuracy (the mean of the classes' "
            "shares found), and models weigh classes alike, which costs accuracy and log-loss"
        )
    return Evaluation(
        rows=rows,
        measure=task.measure,
        split=task.split,
        folds=len(task.folds),
        texts=len(task.texts),
        left_out=task.left_out,
        scored=sum(len(test) for _, test in task.folds),
        comparisons=len(others),
        notes=notes,
        task=task.kind,
        verdict=" ".join(said),
    )


def _row(
    key: tuple[str, str],
    task: Task,
    scores: Scores,
    folds: list[NDArray[np.float64]],
    difference: Difference | None,
) -> Row:
    model, features = key
    chosen = scores.tuned[key]
    is_logistic = model == "linear" and not task.is_number
    return Row(
        model="linear" if model == WORDS else "—" if model in BASELINES else model,
        features=features,
        score=float(np.concatenate(folds).mean()),
        difference=difference.mean if difference else 0.0,
        low=difference.low if difference else 0.0,
        high=difference.high if difference else 0.0,
        verdict=difference.verdict if difference else "",
        width=scores.widths[features],
        bytes_online=4 * scores.widths[features],
        milliseconds=1000 * scores.seconds[features],
        penalty=chosen.setting if is_logistic else None,
        scale=chosen.scale,
        is_control=features in scores.controls,
    )
