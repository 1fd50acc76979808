"""What on-demand views compute: of a request's text, alone or with its writer, and of two texts."""

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embfeast.errors import EmbfeastError
from embfeast.recipe.versions import has_version, load_version
from embfeast.storage import Folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embfeast.recipe import FittedRecipe

# The field of a request that holds a text.
TEXT = "text"
# Who made a pair of which each text has a vector of another recipe.
TWO_RECIPES = "two recipes"
# Where this process has been told that fitted recipes lie. An on-demand view's function is
# rebuilt by Feast from its text, so it cannot carry a path that holds on every machine.
_folders: dict[Folder, None] = {}


def serve_recipes_from(folder: Folder | Path | str) -> None:
    """Let on-demand views of this process find fitted recipes in a folder."""
    _folders[Folder.of(folder).resolve()] = None


@lru_cache(maxsize=8)
def serving_recipe(digest: str) -> "FittedRecipe":
    """Return the recipe of a digest, opened for serving: one thread a worker."""
    unreached = None
    for folder in reversed(_folders):  # the one told of last is likely meant
        try:
            found = has_version(folder, digest)
        except EmbfeastError as error:  # a bucket of another repository: the rest may have it
            found, unreached = False, error
        if found:
            return load_version(folder, digest, threads=1)
    raise unreached or EmbfeastError(
        f"recipe {digest[:12]} is in none of {[str(f) for f in _folders]}",
        "bring its folder there, or set `recipes` of the batch_engine in feature_store.yaml",
    )


def check_text(text: object, longest: int, where: str) -> None:
    """Refuse what is no text, or more of it than a request may bring.

    Examples
    --------
    >>> check_text("Where is it?", 100, "row 0")
    """
    if text is None:
        return
    if not isinstance(text, str):
        raise EmbfeastError(f"{where} is {type(text).__name__}, not text", "give a string or null")
    if len(text) > longest:
        raise TooLongError(
            f"{where} has {len(text):,} characters, more than {longest:,}",
            "shorten it, or set longest_text of the batch_engine in feature_store.yaml",
        )


class TooLongError(EmbfeastError):
    """A text longer than a request may bring."""


def live_features(
    inputs: Mapping[str, list[Any]],
    digest: str,
    digest_column: str,
    entries: Sequence[str] | None = None,
) -> dict[str, list[Any]]:
    """Compute features of the request's texts; a missing or blank text has None.

    `entries` are those of the recipe, by default all that make features of one text.
    """
    texts = list(_column(inputs, TEXT))
    made = serving_recipe(digest).values(texts, entries=entries)
    return made | {digest_column: [digest] * len(texts)}


def pair_features(
    inputs: Mapping[str, list[Any]],
    digest: str,
    entry: str,
    left: str,
    right: str,
    output: str,
    makers: tuple[str, str] | None = None,
    digest_column: str = "",
) -> dict[str, list[Any]]:
    """Compute one vector a pair of stored vectors; None where either is missing.

    A pair is compared by the recipe that made both vectors, which is another one than the view's
    until a refit is materialized; vectors of two recipes cannot be compared and give None. `makers`
    are the columns that say so, and `digest_column` tells it; views of before 0.2 have neither.
    """
    pairs = list(zip(_column(inputs, left), _column(inputs, right), strict=True))
    made_by: list[str | None] = [digest] * len(pairs)
    if makers:
        told = zip(*(_column(inputs, column) for column in makers), strict=True)
        made_by = [_maker(*both) for both in told]
    whole = [i for i, pair in enumerate(pairs) if pair[0] is not None and pair[1] is not None]
    made: list[list[float] | None] = [None] * len(pairs)
    for maker in {str(made_by[i]) for i in whole} - {TWO_RECIPES}:
        recipe = serving_recipe(maker)
        if maker == digest or _compares_the_same(recipe, serving_recipe(digest), entry):
            rows = [i for i in whole if made_by[i] == maker]
            lefts, rights = (np.array([pairs[i][k] for i in rows], np.float32) for k in (0, 1))
            vectors = recipe.transform_pairs(entry, lefts, rights)
            for i, vector in zip(rows, vectors.tolist(), strict=True):
                made[i] = vector
    return {output: made} | ({digest_column: made_by} if digest_column else {})


def _compares_the_same(one: "FittedRecipe", other: "FittedRecipe", entry: str) -> bool:
    """Tell whether an entry of two recipes reads the same entries."""
    tricks = one.settings.tricks
    return entry in one.pair_entries and tricks[entry].sides == other.settings.tricks[entry].sides


def _maker(left: str | None, right: str | None) -> str | None:
    if not left or not right:
        return None
    return left if left == right else TWO_RECIPES


def history_features(
    inputs: Mapping[str, list[Any]],
    digest: str,
    entry: str,
    states: str,
    digest_column: str,
    moment: str | None = None,
) -> dict[str, list[Any]]:
    """Compare the request's texts with what was stored of those who wrote them.

    `states` is the view that they are stored in, `moment` a field of the request that says when its
    texts were written; by default that is now. An entity without a state wrote nothing before.
    """
    from embfeast.recipe.entity_states import against_states, state_features, states_of

    fitted = serving_recipe(digest)
    texts = list(_column(inputs, TEXT))
    made_by = set(filter(None, _column(inputs, f"{states}_digest")))
    if others := made_by - {digest}:
        raise EmbfeastError(
            f"view {states!r}: what is stored is of recipe {min(others)[:12]}, which cannot be "
            f"compared with texts of {digest[:12]}",
            "materialize",
        )
    names = [feature.name for feature in state_features(fitted, entry)]
    stored = states_of(fitted, entry, {name: _column(inputs, name) for name in names})
    moments = _moments(_column(inputs, moment) if moment else [None] * len(texts))
    for row in np.flatnonzero(stored[:, 0] >= moments):
        raise EmbfeastError(
            f"row {row}: its moment is not after what is stored in view {states!r}",
            "look up a stored text's history in its own view, and give a later moment here",
        )
    made = against_states(fitted, entry, texts, stored, moments)
    return made | {digest_column: [digest] * len(texts)}


def _moments(given: Sequence[str | None]) -> "NDArray[np.int64]":
    """Return moments in microseconds since 1970; now where none is given."""
    from embfeast.tricks.parts.occasions import microseconds

    now = time.time_ns() // 1000
    for row, value in enumerate(given):
        if value is not None and not isinstance(value, str):
            raise EmbfeastError(
                f"row {row}: its moment is {type(value).__name__}, which Feast rounds",
                "give text in ISO 8601, as datetime.isoformat() writes it",
            )
    known = [row for row, value in enumerate(given) if value is not None]
    moments = np.full(len(given), now, dtype=np.int64)
    moments[known] = microseconds([given[row] for row in known], len(known), "the moments")
    return moments


def _column(inputs: Mapping[str, list[Any]], name: str) -> list[Any]:
    """Find an input by its name, or by its full name (``view__feature``)."""
    if name in inputs:
        return inputs[name]
    for key, values in inputs.items():
        if key.endswith(f"__{name}"):
            return values
    raise EmbfeastError(f"the request lacks {name!r}", f"it has {', '.join(inputs)}")
