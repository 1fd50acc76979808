"""What on-demand views compute: features of a request's text, and of two stored texts."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from embfeast.encoding import Encoder
from embfeast.errors import EmbfeastError
from embfeast.recipe import FittedRecipe
from embfeast.recipe.versions import load_version

# The field of a request that holds a text.
TEXT = "text"
# Where this process has been told that fitted recipes lie. An on-demand view's function is
# rebuilt by Feast from its text, so it cannot carry a path that holds on every machine.
_folders: dict[Path, None] = {}


def serve_recipes_from(folder: Path) -> None:
    """Let on-demand views of this process find fitted recipes in a folder."""
    _folders[folder] = None


@lru_cache(maxsize=8)
def serving_recipe(digest: str) -> FittedRecipe:
    """Return the recipe of a digest, opened for serving: one thread a worker.

    Raises
    ------
    EmbfeastError
        No folder that this process knows has it.
    """
    for folder in _folders:
        if (folder / digest).is_dir():
            fitted = load_version(folder, digest)
            fitted.encoder = Encoder(fitted.settings.model, threads=1)
            return fitted
    raise EmbfeastError(
        f"recipe {digest[:12]} is in none of {[str(f) for f in _folders]}; bring its folder there, "
        "or set `recipes` of the batch_engine in feature_store.yaml"
    )


def check_text(text: object, longest: int, where: str) -> None:
    """Refuse what is no text, or more of it than a request may bring.

    Raises
    ------
    TooLongError
        It has more than `longest` characters.
    EmbfeastError
        It is neither a str nor None.

    Examples
    --------
    >>> check_text("Where is it?", 100, "row 0")
    """
    if text is None:
        return
    if not isinstance(text, str):
        raise EmbfeastError(f"{where} is {type(text).__name__}, not text; give a string or null")
    if len(text) > longest:
        raise TooLongError(
            f"{where} has {len(text):,} characters, more than {longest:,}; shorten it, or set "
            "longest_text of the batch_engine in feature_store.yaml"
        )


class TooLongError(EmbfeastError):
    """A text longer than a request may bring."""


def live_features(
    inputs: Mapping[str, list[Any]],
    digest: str,
    digest_column: str,
    entries: Sequence[str] | None = None,
) -> dict[str, list[Any]]:
    """Compute all features of the request's texts.

    Parameters
    ----------
    inputs : mapping
        ``text``: list of str or None.
    digest : str
        Of the recipe.
    digest_column : str
        Output that names it.
    entries : sequence of str, optional
        Only these entries of the recipe; all that make features of one text by default.

    Returns
    -------
    dict of list
        One value a text; None for a missing or blank text.
    """
    texts = list(_column(inputs, TEXT))
    made = serving_recipe(digest).values(texts, entries=entries)
    return made | {digest_column: [digest] * len(texts)}


def pair_features(
    inputs: Mapping[str, list[Any]], digest: str, entry: str, left: str, right: str, output: str
) -> dict[str, list[Any]]:
    """Compute the features of pairs of stored vectors.

    Parameters
    ----------
    inputs : mapping
        The vectors under the names `left` and `right`: lists of lists of float, or None.
    digest, entry : str
        The recipe and its pair entry.
    left, right, output : str
        Names of the two inputs and of the result.

    Returns
    -------
    dict of list
        One vector a pair; None where either vector is missing.
    """
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
    raise EmbfeastError(f"the request lacks {name!r}; it has {', '.join(inputs)}")
