"""The recipe that cross-validation on the training rows prefers, with caution."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from embfeast.encoding import Encoder
from embfeast.errors import EmbfeastError
from embfeast.evaluation.evaluate import Scores, prepare, result, score_sets
from embfeast.evaluation.models import Kind
from embfeast.evaluation.result import Evaluation, Row
from embfeast.evaluation.sets import CONTROL, RAW, FeatureSet, feature_sets
from embfeast.evaluation.splits import SplitBy
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
    split: SplitBy = "time",
    folds: int = 10,
    train_rows: int | None = None,
    encoder: Encoder | None = None,
    seed: int = 0,
    progress: Callable[[float], Any] | None = None,
) -> Choice:
    """Choose a feature set by cross-validation; give it the training rows alone.

    Parameters
    ----------
    texts, labels, recipe, timestamps, split, folds, train_rows, encoder, seed, progress
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
    task = prepare(texts, labels, timestamps, split, folds, train_rows, seed)
    encoder = encoder or Encoder(recipe.settings.model)

    def scored(sets: list[FeatureSet], start: float) -> Scores:
        told = _half(progress, start)
        return score_sets(task, recipe, sets, (model,), encoder=encoder, seed=seed, progress=told)

    tried = [one for one in feature_sets(recipe.settings) if CONTROL not in one.name]
    scores = scored(tried, 0.0)
    found = result(task, scores, (model,), split, seed)
    combined = _combinations(tried, found)
    if combined:
        scores = scores.merged(scored(combined, 0.5))
        found = result(task, scores, (model,), split, seed)
    row, reason = _pick(found, model, max_width, tolerance)
    chosen = next(one for one in tried + combined if one.name == row.features)
    return Choice(_recipe_of(recipe, chosen, row.scale), chosen.name, row, found, reason)


def _half(progress: Callable[[float], Any] | None, start: float) -> Callable[[float], Any] | None:
    return None if progress is None else lambda share: progress(start + share / 2)


def _combinations(first: list[FeatureSet], found: Evaluation) -> list[FeatureSet]:
    """Return the sets of two of the most promising entries, with and without raw."""
    single = [one for one in first if len(one.blocks) == 1 and one.name != RAW]
    best = sorted(single, key=lambda one: -_best_score(one.name, found))[:PROMISING]
    made = []
    for i, a in enumerate(best):
        for b in best[i + 1 :]:
            made.append(FeatureSet(f"{a.name} + {b.name}", a.blocks + b.blocks))
            made.append(FeatureSet(f"{RAW} + {a.name} + {b.name}", (RAW, *a.blocks, *b.blocks)))
    known = {frozenset(one.blocks) for one in first}
    return [one for one in made if frozenset(one.blocks) not in known]


def _best_score(entry: str, found: Evaluation) -> float:
    return max(found.row(entry).score, found.row(f"{RAW} + {entry}").score)


def _pick(
    found: Evaluation, model: str, max_width: int | None, tolerance: float
) -> tuple[Row, str]:
    rows = [row for row in found.rows if row.model == model]
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
    needed, todo = set[str](), list(blocks)
    while todo:
        name = todo.pop()
        if name in recipe.settings.tricks and name not in needed:
            needed.add(name)
            todo += recipe.settings.tricks[name].reads
    kept = {
        name: entry | {"online": False}
        for name, entry in settings["tricks"].items()
        if name in needed
    }
    join = {"trick": "join", "inputs": blocks, "settings": {"scale": scale}}
    settings["tricks"] = kept | {JOINED: join}
    return Recipe(settings)
