"""One run of an evaluation: every model on every feature set, fold after fold, inside a budget."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embfeast.encoding import EmbeddingCache, Encoder
from embfeast.encoding.settings import model_settings, plain
from embfeast.evaluation.budget import FIRST_ROWS, Budget, Spent, Tell, duration
from embfeast.evaluation.measures import Predicted, predict
from embfeast.evaluation.models import BASELINES, Kind, build, check_kind, tuned
from embfeast.evaluation.other_models import told_rates
from embfeast.evaluation.sets import (
    RAW,
    Blocks,
    FeatureSet,
    blocks_of_entities,
    joined,
    make_blocks,
    single_entries,
)
from embfeast.evaluation.splits import Fold, folds_in_words
from embfeast.evaluation.task import Task
from embfeast.recipe import Recipe
from embfeast.tricks.block_join import Scale

# How blocks may be scaled before they are joined, as `join` entries of a recipe do it. Which suits
# a linear model is chosen with its penalty: a small block at full length drowns a wide one's
# penalty, at its width's share it may itself be drowned.
SCALES: tuple[Scale, ...] = ("unit", "width")
TIMED_ROWS = 200
WARM_ROWS = 1_000
TOLD_EVERY = 10  # seconds


@dataclass(frozen=True)
class Tuned:
    """What is chosen once a feature set and model, and then kept in all folds."""

    scale: Scale = SCALES[0]
    setting: Any = None


@dataclass(frozen=True)
class Job:
    """A model on a feature set; a baseline has no set."""

    model: str
    features: FeatureSet

    @property
    def key(self) -> tuple[str, str]:
        """Its place among the scores."""
        return self.model, self.features.name


@dataclass
class Scores:
    """Predictions by model and feature set, a fold an entry; and what the sets cost."""

    predicted: dict[tuple[str, str], list[Predicted]] = field(default_factory=dict)
    tuned: dict[tuple[str, str], Tuned] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    controls: set[str] = field(default_factory=set)

    def merged(self, other: "Scores") -> "Scores":
        """Return both: the same folds, other sets."""
        return Scores(**{name: value | getattr(other, name) for name, value in vars(self).items()})


def score_sets(
    task: Task,
    recipe: Recipe,
    compared: list[FeatureSet],
    models: Sequence[Kind],
    *,
    encoder: Encoder | None,
    budget: float | None = None,
    beside: bool = True,
    progress: Callable[[float], Any] | None = None,
    tell: Tell | None = None,
) -> tuple[Task, Scores]:
    """Fit and score every set under every model in every fold; raw is always among the sets.

    Returned is the task with the folds that were done.
    """
    for model in models:
        check_kind(model, task.labels, is_number=task.is_number)
    if compared[0].name != RAW:
        compared = [FeatureSet(RAW, (RAW,)), *compared]
    jobs = [Job(model, one) for model in models for one in compared]
    if "linear" not in models:
        jobs.append(Job("linear", compared[0]))
    if beside:
        jobs += [Job(name, FeatureSet(name, ())) for name in task.baselines]
    say = tell or (lambda line: None)
    say(
        f"{len(jobs)} comparisons of {task.kind}, {folds_in_words(len(task.folds), task.split)}, "
        f"{len(task.texts):,} texts"
        + (f"; budget {duration(budget)} after encoding" if budget else "")
    )
    for note in task.notes:
        say(note)
    encoder = encoder or Encoder(recipe.settings.model)
    recipe = _of_one_model(recipe)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if encoder.cache is None:  # one text is encoded once, in however many folds it is
            encoder = encoder.with_cache(EmbeddingCache(folder))
        jobs = [_with_cache(job, encoder.cache) for job in jobs]
        _encode(task, recipe, encoder, say)
        if others := [one for one in compared if one.encoder]:
            told = told_rates(encoder, others, task.texts)
            task = replace(task, notes=[*task.notes, told])
            say(told)
        run = _Run(task, recipe, encoder, jobs, Budget(budget), say)
        return run.all_folds(progress or (lambda share: None))


def _with_cache(job: Job, cache: EmbeddingCache | None) -> Job:
    """Let another model keep its vectors beside the recipe's, from fold to fold."""
    encoder = job.features.encoder
    if encoder is None or encoder.cache is not None:
        return job
    return replace(job, features=replace(job.features, encoder=encoder.with_cache(cache)))


def _of_one_model(recipe: Recipe) -> Recipe:
    """Return a recipe that calibrates on no fold's texts: one encoding is for all folds."""
    model = model_settings(recipe.settings.model, calibration="general")
    said = plain(model.model_dump())
    return Recipe(recipe.settings.model_copy(update={"model": said}))


def _encode(task: Task, recipe: Recipe, encoder: Encoder, say: Tell) -> None:
    """Encode all texts, so that the folds find their vectors in the cache."""
    texts = task.texts if task.written is None else task.written.texts
    done, start, told = 0, time.monotonic(), time.monotonic()

    def progress(count: int) -> None:
        nonlocal done, told
        done += count
        now = time.monotonic()
        if now - told > TOLD_EVERY:
            told, total = now, len(texts)
            left = duration((now - start) * max(total - done, 0) / max(done, 1))
            say(f"encoding: {done:,} of {total:,} texts, {left} left")

    drawn = np.random.default_rng(task.seed).permutation(len(task.texts))[:WARM_ROWS]
    some = [task.texts[i] for i in drawn]
    given: dict[str, Any] = {}
    if task.written is not None:
        given = {
            "timestamps": task.written.times.iloc[task.written.rows[drawn]].tolist(),
            "entities": task.written.of(drawn),
        }
    fitted = recipe.fit(some, labels=task.labels[drawn], encoder=encoder, **given)
    of_entities = recipe.settings.entity_entries
    alone = [name for name in single_entries(recipe.settings) if name not in of_entities]
    fitted.matrices(texts, alone, progress=progress)


@dataclass
class _Run:
    task: Task
    recipe: Recipe
    encoder: Encoder
    jobs: list[Job]
    budget: Budget
    say: Tell

    def all_folds(self, progress: Callable[[float], Any]) -> tuple[Task, Scores]:
        """Score the first fold until its rows fit the budget, then the others."""
        task, total = self.task, len(self.task.folds)
        rows = task.learned if self.budget.seconds is None else min(FIRST_ROWS, task.learned)
        tried = 0
        while tried != rows:
            smaller, tried = rows < tried, rows
            folds, scores = task.at_most(rows), Scores()
            spent = self._fold(folds[0], scores)
            if not smaller:
                rows = self.budget.next_rows(rows, task.learned, total, spent)
        notes = list(task.notes)
        if rows < task.learned:
            notes.append(
                f"each fold learns from {rows:,} of up to {task.learned:,} rows, for the budget's "
                "sake; with more, sets may differ otherwise"
            )
            self.say(notes[-1])
        done = 1
        for fold in folds[1:]:
            self.say(f"{done} of {total} folds, {duration(spent.each * (total - done))} left")
            progress(done / total)
            if done >= 2 and self.budget.left < spent.each:
                notes.append(f"the budget ended after {done} of {total} folds")
                break
            spent = self._fold(fold, scores)
            done += 1
        progress(1.0)
        return replace(task, folds=folds[:done], notes=notes), scores

    def _fold(self, fold: Fold, scores: Scores) -> Spent:
        start = self.budget.clock()
        train, test = fold
        task = self.task
        learned, scored = [task.texts[i] for i in train], [task.texts[i] for i in test]
        y, truth = task.labels[train], task.labels[test]
        times = None if task.times is None else task.times.iloc[train].tolist()
        written = task.written
        if written is not None:
            times = written.times.iloc[written.rows[train]].tolist()
        fitted = self.recipe.fit(
            learned,
            timestamps=times,
            labels=y,
            keys=range(len(learned)),
            entities=None if written is None else written.of(train),
            encoder=self.encoder,
        )
        times = None if task.times is None else times
        blocks = make_blocks(fitted, learned, scored, task.seed, times)
        if written is not None:
            blocks |= blocks_of_entities(fitted, written, train, test)
        for features in (job.features for job in self.jobs):
            if features.encoder is not None and features.name not in blocks:
                encode = features.encoder.encode
                blocks[features.name] = encode(learned), encode(scored)
        if not scores.seconds:
            _measure_cost(blocks, fitted, scored, [job.features for job in self.jobs], scores)
        texts: list[tuple[Any, Any]] = [(learned, scored)]
        modelling = self.budget.clock()
        results = Parallel(n_jobs=-1)(
            delayed(_score)(
                job.model,
                [*map(blocks.__getitem__, job.features.blocks)] or texts,
                y,
                truth,
                scores.tuned.get(job.key),
                weigh=task.weigh,
                seed=task.seed,
            )
            for job in self.jobs
        )
        for job, (predicted, chosen, _) in zip(self.jobs, results, strict=True):
            scores.predicted.setdefault(job.key, []).append(predicted)
            scores.tuned[job.key] = chosen
            scores.controls |= {job.features.name} if job.features.is_control else set()
        end = self.budget.clock()
        tuning, fitting = (sum(one[2][place] for one in results) for place in (0, 1))
        once = (end - modelling) * tuning / max(tuning + fitting, 1e-9)
        return Spent(once, end - start - once)


def _score(
    model: str,
    blocks: list[tuple[Any, Any]],
    y: NDArray[Any],
    truth: NDArray[Any],
    chosen: Tuned | None,
    *,
    weigh: bool,
    seed: int,
) -> tuple[Predicted, Tuned, tuple[float, float]]:
    """Return predictions, what was chosen, and the seconds of choosing and of the rest."""
    with threadpool_limits(1):  # one process a core does the work; more threads only get in its way
        start = time.perf_counter()
        if chosen is None:
            chosen = _tune(model, blocks, y, weigh=weigh, seed=seed)
        middle = time.perf_counter()
        train, test = blocks[0] if model in BASELINES else joined(blocks, chosen.scale)
        one_class = y.dtype != np.float64 and len(np.unique(y)) < 2  # nothing else was known then
        kind = BASELINES[0] if one_class else model
        fitted = build(kind, chosen.setting, y, weigh=weigh, seed=seed).fit(train, y)
        predicted = predict(fitted, test, truth, len(y))
    return predicted, chosen, (middle - start, time.perf_counter() - middle)


def _tune(
    model: str, blocks: list[tuple[Any, Any]], y: NDArray[Any], *, weigh: bool, seed: int
) -> Tuned:
    if model in BASELINES:
        return Tuned(setting=tuned(model, blocks[0][0], y, weigh=weigh, seed=seed)[0])
    widths = {train.shape[1] for train, _ in blocks}
    is_logistic = model == "linear" and y.dtype != np.float64
    tried = []
    for scale in SCALES if len(widths) > 1 and is_logistic else SCALES[:1]:
        setting, score = tuned(model, joined(blocks, scale)[0], y, weigh=weigh, seed=seed)
        tried.append((score, Tuned(scale, setting)))
    return max(tried, key=lambda one: one[0])[1]


def _measure_cost(
    blocks: Blocks, fitted: Any, held: list[str], compared: list[FeatureSet], scores: Scores
) -> None:
    """Keep each set's width, and the time of its tricks on texts that are encoded already."""
    timed = held[:TIMED_ROWS]
    seconds: dict[str, float] = {}
    for name in {block for compared_set in compared for block in compared_set.blocks}:
        # What depends on an entity's other texts is not computed of one text alone.
        alone = name in fitted.entries and name not in fitted.settings.entity_entries
        entries = [name] if alone else []
        start = time.perf_counter()
        fitted.matrices(timed, entries)
        seconds[name] = (time.perf_counter() - start) / len(timed)
    for compared_set in compared:
        scores.widths[compared_set.name] = sum(
            blocks[block][0].shape[1] for block in compared_set.blocks
        )
        scores.seconds[compared_set.name] = sum(seconds[block] for block in compared_set.blocks)
