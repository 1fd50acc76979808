"""What on-demand views compute: features of a request's text, and of two stored texts."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embfeast.errors import EmbfeastError
from embfeast.recipe.versions import has_version, load_version
from embfeast.storage import Folder

if TYPE_CHECKING:
    from embfeast.recipe import FittedRecipe

# The field of a request that holds a text.
TEXT = "text"
# Where this process has been told that fitted recipes lie. An on-demand view's function is
# rebuilt by Feast from its text, so it cannot carry a path that holds on every machine.
_folders: dict[Folder, None] = {}


def serve_recipes_from(folder: Folder | Path | str) -> None:
    """Let on-demand views of this process find fitted recipes in a folder."""
    _folders[Folder.of(folder).resolve()] = None


@lru_cache(maxsize=8)
def serving_recipe(digest: str) -> "FittedRecipe":
    """Return the recipe of a digest, opened for serving: one thread a worker."""
    for folder in _folders:
        if has_version(folder, digest):
            return load_version(folder, digest, threads=1)
    raise EmbfeastError(
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
    inputs: Mapping[str, list[Any]], digest: str, entry: str, left: str, right: str, output: str
) -> dict[str, list[Any]]:
    """Compute one vector a pair of stored vectors; None where either is missing."""
    pairs = list(zip(_column(inputs, left), _column(inputs, right), strict=True))
    whole = [i for i, pair in enumerate(pairs) if pair[0] is not None and pair[1] is not None]
    made: list[list[float] | None] = [None] * len(pairs)
    if whole:
        lefts = np.array([pairs[i][0] for i in whole], dtype=np.float32)
        rights = np.array([pairs[i][1] for i in whole], dtype=np.float32)
        vectors = serving_recipe(digest).transform_pairs(entry, lefts, rights)
        for i, vector in zip(whole, vectors.tolist(), strict=True):
            made[i] = vector
    return {output: made}


def _column(inputs: Mapping[str, list[Any]], name: str) -> list[Any]:
    """Find an input by its name, or by its full name (``view__feature``)."""
    if name in inputs:
        return inputs[name]
    for key, values in inputs.items():
        if key.endswith(f"__{name}"):
            return values
    raise EmbfeastError(f"the request lacks {name!r}", f"it has {', '.join(inputs)}")
