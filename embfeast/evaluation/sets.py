"""Feature sets: raw embeddings, each entry alone and beside raw, the whole recipe, and controls."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embfeast.recipe import FittedRecipe
from embfeast.recipe.join import BlockJoin, Scale
from embfeast.recipe.settings import PLAIN, RecipeSettings
from embfeast.tricks import AnchorSimilarity

RAW = "raw"
WHOLE = "whole recipe"
CONTROL = "random anchors"

Matrix = NDArray[np.float32]
Blocks = dict[str, tuple[Matrix, Matrix]]


@dataclass(frozen=True)
class FeatureSet:
    """Blocks that stand side by side.

    Attributes
    ----------
    name : str
    blocks : tuple of str
        Entries of the recipe, ``"raw"``, or a control.
    """

    name: str
    blocks: tuple[str, ...]


def feature_sets(settings: RecipeSettings) -> list[FeatureSet]:
    """Return what is compared; raw comes first.

    Examples
    --------
    >>> from embfeast.recipe.settings import RecipeSettings
    >>> settings = RecipeSettings.model_validate({"tricks": {"w": {"trick": "whitener"}}})
    >>> [one.name for one in feature_sets(settings)]
    ['raw', 'w', 'raw + w']
    """
    entries = single_entries(settings)
    sets = [FeatureSet(RAW, (RAW,))]
    for entry in entries:
        sets += [FeatureSet(entry, (entry,)), FeatureSet(f"{RAW} + {entry}", (RAW, entry))]
        if settings.tricks[entry].trick == "anchor_similarity":
            control = f"{CONTROL} for {entry}"
            sets += [
                FeatureSet(control, (control,)),
                FeatureSet(f"{RAW} + {control}", (RAW, control)),
            ]
    served = [name for name, e in settings.tricks.items() if e.trick == PLAIN]
    whole = ((RAW,) if served else ()) + tuple(entries)
    if whole and whole not in {one.blocks for one in sets}:
        sets.append(FeatureSet(WHOLE, whole))
    return sets


def single_entries(settings: RecipeSettings) -> list[str]:
    """Return the entries that make features of one text, but for the plain embedding.

    Those that do not go online are ingredients of others and are not compared.
    """
    return [
        name
        for name, entry in settings.tricks.items()
        if entry.trick not in (PLAIN, "pair_interaction") and entry.online
    ]


def make_blocks(
    fitted: FittedRecipe, train: Sequence[str], test: Sequence[str], seed: int
) -> Blocks:
    """Compute every block of one fold: the recipe was fitted on its training rows alone.

    Returns
    -------
    dict of (train, test)
        Matrices of shape (rows, width). A cluster's number is left out: it names a cluster, and
        the distances say the same in a way that every model can use.
    """
    wanted = single_entries(fitted.settings)
    both = [fitted.matrices(texts, wanted) for texts in (train, test)]
    blocks: Blocks = {RAW: (both[0][PLAIN], both[1][PLAIN])}
    for entry in wanted:
        kept = [i for i, name in enumerate(fitted.output_names(entry)) if name != "cluster"]
        blocks[entry] = (both[0][entry][:, kept], both[1][entry][:, kept])
        if fitted.settings.tricks[entry].trick == "anchor_similarity":
            blocks[f"{CONTROL} for {entry}"] = _random_anchors(fitted, entry, blocks[RAW], seed)
    return blocks


def joined(blocks: Sequence[tuple[Matrix, Matrix]], scale: Scale) -> tuple[Matrix, Matrix]:
    """Return (train, test) blocks side by side, scaled by what the training rows say."""
    train = [block[0] for block in blocks]
    join = BlockJoin(scale).fit(train, [""] * sum(block.shape[1] for block in train))
    return join.transform(train), join.transform([block[1] for block in blocks])


def _random_anchors(
    fitted: FittedRecipe, entry: str, raw: tuple[Matrix, Matrix], seed: int
) -> tuple[Matrix, Matrix]:
    """Return similarities to random directions, as many as the entry has anchors."""
    count = len(fitted.tricks[entry].names_)
    drawn = np.random.default_rng(seed).normal(size=(count, raw[0].shape[1]))
    control = AnchorSimilarity(drawn).fit(raw[0])
    return control.transform(raw[0]), control.transform(raw[1])
