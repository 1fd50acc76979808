"""Folds: which rows are learned from, and which are scored."""

import itertools
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from embfeast.errors import EmbfeastError
from embfeast.recipe.settings import RecipeSettings

SplitBy = Literal["time", "grouped", "stratified"]
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]
# The first share of the rows is never scored in a split by time: something must come before.
FIRST_SHARE = 0.5
LEAST_ROWS = 4
# Below it, a spread over folds is a guess.
ENOUGH_FOLDS = 10


def folds_in_words(count: int, split: str) -> str:
    """Say how many folds there are, and of which kind.

    Examples
    --------
    >>> folds_in_words(10, "time"), folds_in_words(10, "grouped")
    ('10 folds by time', '10 grouped folds')
    """
    return f"{count} folds by time" if split == "time" else f"{count} {split} folds"


def split_by_entity(
    settings: RecipeSettings,
    groups: Any,
    split: SplitBy | None,
    entities: Mapping[str, Any] | None,
) -> tuple[Any, SplitBy | None, Mapping[str, Any] | None]:
    """Group folds by the entity whose history a recipe reads.

    Returned are groups, split, and the entities as far as the recipe reads them. In folds by time
    or chance a model would see an entity's texts, and learn who it is from what it wrote.
    """
    columns = settings.entity_columns
    if not columns:
        return groups, split, None
    if len(columns) > 1:
        raise EmbfeastError(
            f"the recipe reads the history of {' and '.join(map(repr, columns))}; folds are "
            "grouped by one",
            "evaluate a recipe for each",
        )
    if entities is None or columns[0] not in entities:
        raise EmbfeastError(
            f"the recipe reads what {columns[0]!r} wrote before",
            f"give entities={{{columns[0]!r}: ...}}, whose each text is",
        )
    if split not in (None, "grouped") or (
        groups is not None and list(groups) != list(entities[columns[0]])
    ):
        raise EmbfeastError(
            f"the recipe reads what {columns[0]!r} wrote before, so folds are grouped by it",
            "leave out split and groups",
        )
    return entities[columns[0]], "grouped", {columns[0]: entities[columns[0]]}


def cut(
    labels: NDArray[Any],
    split: SplitBy | None,
    count: int,
    seed: int,
    *,
    by_class: bool,
    timestamps: pd.Series | None = None,
    groups: pd.Series | None = None,
) -> tuple[SplitBy, list[Fold], str]:
    """Return how the rows are split, the folds, and why, where the data decided against time.

    Without a wish: by time where that gives all folds, else grouped where a group has several
    rows, else by chance.
    """
    if split == "time" and timestamps is None:
        raise EmbfeastError("a split by time needs timestamps; or take split='stratified'")
    if split == "grouped" and groups is None:
        raise EmbfeastError("a grouped split needs groups; or take split='stratified'")
    why = ""
    if split == "time" or (split is None and timestamps is not None):
        moments = timestamps.nunique() if timestamps is not None else 0
        if split == "time" or moments > count:
            folds = folds_by_time(timestamps, count)
            if split == "time" or len(folds) == count:
                return "time", folds, ""
        said = "all texts are of one moment" if moments == 1 else f"{moments} moments are too few"
        why = f"{said}: folds are {{}}, not by time"
    if split is None:
        split = "grouped" if groups is not None and groups.duplicated().any() else "stratified"
    if split not in ("grouped", "stratified"):
        raise EmbfeastError(f"split={split!r} is unknown; choose from time, grouped, stratified")
    codes = pd.factorize(groups)[0] if split == "grouped" and groups is not None else None
    folds = folds_by_chance(labels, count, seed, by_class=by_class, groups=codes)
    return split, folds, why.format(split)


def folds_by_time(timestamps: Any, count: int) -> list[Fold]:
    """Cut the later half of the rows into slices of time; each is predicted from all before it.

    Rows of one time fall into one slice, so that nothing is predicted from its own moment; where
    times coincide there are fewer slices. The rows learned from are in order of time.

    Examples
    --------
    >>> days = pd.date_range("2026-01-01", periods=8, tz="UTC")
    >>> [(train.tolist(), test.tolist()) for train, test in folds_by_time(days, 2)]
    [([0, 1, 2, 3], [4, 5]), ([0, 1, 2, 3, 4, 5], [6, 7])]
    """
    moments = pd.Series(pd.to_datetime(pd.Series(list(timestamps)), utc=True))
    if moments.isna().any():
        raise EmbfeastError(
            f"{int(moments.isna().sum())} rows have no timestamp; give one for every row, or "
            "split='stratified'"
        )
    order = np.argsort(moments.to_numpy(), kind="stable")
    ordered = moments.to_numpy()[order]
    places = np.linspace(FIRST_SHARE * len(order), len(order), count + 1).astype(int)
    # A slice starts with the first row of its moment.
    bounds = sorted({int(np.searchsorted(ordered, ordered[p])) for p in places[:-1]} | {len(order)})
    folds = [
        (order[:start], order[start:end])
        for start, end in itertools.pairwise(bounds)
        if start >= LEAST_ROWS
    ]
    if not folds:
        raise EmbfeastError(
            f"{len(order)} rows at {len(np.unique(ordered))} moments cannot be split by time; "
            "give more rows, or split='stratified'"
        )
    return folds


def folds_by_chance(
    labels: NDArray[Any],
    count: int,
    seed: int,
    *,
    by_class: bool,
    groups: NDArray[Any] | None = None,
) -> list[Fold]:
    """Cut the rows into folds at random; each row is scored once.

    The classes' shares are kept, and a group's rows lie in one fold.
    """
    if by_class:
        classes, sizes = np.unique(labels, return_counts=True)
        if sizes.min() < 2:
            raise EmbfeastError(
                f"class {str(classes[sizes.argmin()])!r} has one row; a class needs two, to learn "
                "from one and score the other"
            )
    if len(labels) < max(count, LEAST_ROWS):
        raise EmbfeastError(f"{len(labels)} rows are too few for {count} folds")
    if groups is not None and (known := len(np.unique(groups))) < count:
        raise EmbfeastError(f"{known} groups are too few for {count} folds; give fewer folds")
    splitters: dict[tuple[bool, bool], Any] = {
        (True, True): StratifiedGroupKFold,
        (True, False): StratifiedKFold,
        (False, True): GroupKFold,
        (False, False): KFold,
    }
    splitter = splitters[by_class, groups is not None](count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class smaller than the number of folds is then missing from some folds' tests, which
        # the error over folds covers.
        warnings.simplefilter("ignore", UserWarning)
        return list(splitter.split(np.zeros(len(labels)), labels, groups))


def at_most(folds: list[Fold], rows: int | None, split: SplitBy, seed: int) -> list[Fold]:
    """Learn from at most so many rows a fold: the latest by time, else drawn at random.

    Examples
    --------
    >>> at_most([(np.arange(5), np.arange(5, 8))], 2, "time", 0)[0][0].tolist()
    [3, 4]
    """
    if rows is None:
        return folds
    if split == "time":
        return [(train[-rows:], test) for train, test in folds]
    rng = np.random.default_rng(seed)
    return [(np.sort(rng.permutation(train)[:rows]), test) for train, test in folds]
