"""The recipe that cross-validation on the training rows prefers, with caution."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embfeast.encoding import Encoder
from embfeast.errors import EmbfeastError
from embfeast.evaluation.budget import Tell, most_texts
from embfeast.evaluation.evaluate import result
from embfeast.evaluation.labels import TaskKind
from embfeast.evaluation.models import Kind
from embfeast.evaluation.result import Evaluation
from embfeast.evaluation.row import Row
from embfeast.evaluation.run import score_sets
from embfeast.evaluation.sets import RAW, FeatureSet, feature_sets
from embfeast.evaluation.splits import SplitBy, split_by_entity
from embfeast.evaluation.task import prepare
from embfeast.recipe import Recipe
from embfeast.recipe.settings import PLAIN

JOINED = "features"
# Sets that are combined with one another in the second round.
PROMISING = 3


@dataclass(frozen=True)
class Choice:
    """What was chosen, and why.

    Attributes
    ----------
    recipe : Recipe
        Makes the chosen set as one vector, ``"features"``.
    features : str
        The chosen set.
    row : Row
        Its score and its difference to raw in the cross-validation.
    evaluation : Evaluation
        All that was compared.
    reason : str
        One sentence.
    """

    recipe: Recipe
    features: str
    row: Row
    evaluation: Evaluation
    reason: str


def choose(
    texts: Sequence[str | None],
    labels: Sequence[Any],
    recipe: Recipe,
    *,
    max_width: int | None = None,
    tolerance: float = 0.0,
    model: Kind = "linear",
    timestamps: Any = None,
    groups: Any = None,
    entities: Mapping[str, Any] | None = None,
    split: SplitBy | None = None,
    folds: int = 10,
    task: TaskKind | None = None,
    train_rows: int | None = None,
    budget: float | None = None,
    encoder: Encoder | None = None,
    seed: int = 0,
    progress: Callable[[float], Any] | None = None,
    tell: Tell | None = None,
) -> Choice:
    """Choose a feature set by cross-validation; give it the training rows alone.

    Parameters
    ----------
    texts, labels, recipe, timestamps, groups, entities, split, folds
        As in `evaluate`.
    task, train_rows, budget, encoder
        As in `evaluate`.
    seed, progress, tell
        As in `evaluate`.
    max_width : int, optional
        Most numbers a row.
    tolerance : float, default 0
        With `max_width`: a loss against raw embeddings that is accepted (0.006 is 0.6 points).
    model : {"linear", "trees", "neighbours"}

    Returns
    -------
    Choice

    Raises
    ------
    EmbfeastError
        Nothing fits into `max_width`, or all that fits loses more than `tolerance`.

    Notes
    -----
    Each entry alone and beside raw is tried, then the combinations of the three best. The best
    one is taken only where its interval to raw, which holds for all sets tried at once, leaves
    out zero; else raw embeddings are. Where raw does not fit into `max_width`, the best set that
    fits is taken unless it is worse than raw by more than `tolerance` beyond its interval.
    """
    groups, split, entities = split_by_entity(recipe.settings, groups, split, entities)
    prepared = prepare(
        texts, labels, timestamps=timestamps, groups=groups, split=split, folds=folds,
        train_rows=train_rows, task=task, most_texts=most_texts(budget), entities=entities,
        seed=seed,
    )  # fmt: skip
    encoder = encoder or Encoder(recipe.settings.model)
    tried = [one for one in feature_sets(recipe.settings) if not one.is_control]
    prepared, scores = score_sets(
        prepared, recipe, tried, (model,), encoder=encoder, budget=budget and budget / 2,
        progress=_half(progress, 0.0), tell=tell,
    )  # fmt: skip
    evaluation = result(prepared, scores, (model,))
    combined = _combinations(tried, evaluation)
    if combined:  # the same folds, however long they take
        _, more = score_sets(
            prepared, recipe, combined, (model,), encoder=encoder, beside=False,
            progress=_half(progress, 0.5), tell=tell,
        )  # fmt: skip
        scores = scores.merged(more)
        evaluation = result(prepared, scores, (model,))
    row, reason = _pick(evaluation, model, max_width, tolerance)
    chosen = next(one for one in tried + combined if one.name == row.features)
    return Choice(_recipe_of(recipe, chosen, row.scale), chosen.name, row, evaluation, reason)


def _half(progress: Callable[[float], Any] | None, start: float) -> Callable[[float], Any] | None:
    return None if progress is None else lambda share: progress(start + share / 2)


def _combinations(first: list[FeatureSet], evaluation: Evaluation) -> list[FeatureSet]:
    """Return the sets of two of the most promising entries, with and without raw."""
    single = [one for one in first if len(one.blocks) == 1 and one.name != RAW]
    best = sorted(single, key=lambda one: -_best_score(one.name, evaluation))[:PROMISING]
    sets = []
    for i, a in enumerate(best):
        for b in best[i + 1 :]:
            sets.append(FeatureSet(f"{a.name} + {b.name}", a.blocks + b.blocks))
            sets.append(FeatureSet(f"{RAW} + {a.name} + {b.name}", (RAW, *a.blocks, *b.blocks)))
    known = {frozenset(one.blocks) for one in first}
    return [one for one in sets if frozenset(one.blocks) not in known]


def _best_score(entry: str, evaluation: Evaluation) -> float:
    return max(evaluation.row(entry).score, evaluation.row(f"{RAW} + {entry}").score)


def _pick(
    evaluation: Evaluation, model: str, max_width: int | None, tolerance: float
) -> tuple[Row, str]:
    rows = [row for row in evaluation.rows if row.model == model and not row.is_baseline]
    raw = next(row for row in rows if row.features == RAW)
    fitting = [row for row in rows if max_width is None or row.width <= max_width]
    if not fitting:
        least = min(rows, key=lambda row: row.width)
        raise EmbfeastError(
            f"no feature set fits into {max_width} numbers; the narrowest, {least.features!r}, has "
            f"{least.width}; add a smaller embedding_reducer entry to the recipe"
        )
    # Of equal scores the narrower set.
    best = max(fitting, key=lambda row: (row.score, -row.width))
    if raw in fitting:
        helping = [row for row in fitting if row.verdict == "helps"]
        if not helping:
            return raw, (
                f"no set is better than raw embeddings beyond its interval; the best, "
                f"{best.features!r}, differs by {_points(best)}"
            )
        best = max(helping, key=lambda row: (row.score, -row.width))
        return best, f"{best.features!r} beats raw embeddings by {_points(best)}"
    if best.high < -tolerance:
        raise EmbfeastError(
            f"every set of at most {max_width} numbers is worse than raw embeddings ({raw.width} "
            f"numbers); the best, {best.features!r}, by {_points(best)}; raise max_width, or "
            f"accept a loss with tolerance={-best.difference:.3f}"
        )
    return best, (
        f"raw embeddings have {raw.width} numbers; of the sets with at most {max_width}, "
        f"{best.features!r} is best and differs from raw by {_points(best)}"
    )


def _points(row: Row) -> str:
    return f"{100 * row.difference:+.2f} points [{100 * row.low:+.2f}, {100 * row.high:+.2f}]"


def _recipe_of(recipe: Recipe, chosen: FeatureSet, scale: str) -> Recipe:
    """Return the recipe that makes the chosen set as one vector."""
    settings = recipe.settings.model_dump(mode="json", exclude_defaults=True)
    blocks = [PLAIN if block == RAW else block for block in chosen.blocks]
    needed = recipe.settings.needed(blocks)
    kept = {
        name: entry | {"online": False}
        for name, entry in settings["tricks"].items()
        if name in needed
    }
    join = {"trick": "join", "inputs": blocks, "settings": {"scale": scale}}
    settings["tricks"] = kept | {JOINED: join}
    return Recipe(settings)
