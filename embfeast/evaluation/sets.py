"""Feature sets: raw embeddings, each entry alone and beside raw, the whole recipe, and controls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embfeast.encoding import Encoder
from embfeast.errors import EmbfeastError
from embfeast.evaluation.models import BASELINES
from embfeast.evaluation.task import Written
from embfeast.recipe import FittedRecipe
from embfeast.recipe.encoded import Matrix
from embfeast.recipe.settings import PLAIN, RecipeSettings
from embfeast.tricks.block_join import BlockJoin, Scale

RAW = "raw"
WHOLE = "whole recipe"

Blocks = dict[str, tuple[Matrix, Matrix]]


@dataclass(frozen=True)
class FeatureSet:
    """Blocks that stand side by side: entries of the recipe, ``"raw"``, or a control.

    Or, with an encoder, the plain vectors of another model than the recipe's.
    """

    name: str
    blocks: tuple[str, ...]
    is_control: bool = False
    encoder: Encoder | None = None


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
        control = _control(settings, entry)
        for block in [entry, control] if control else [entry]:
            name = shown(block)
            sets.append(FeatureSet(name, (block,), block == control))
            sets.append(FeatureSet(f"{RAW} + {name}", (RAW, block), block == control))
    served = any(entry.kind.baseline for entry in settings.tricks.values())
    whole = ((RAW,) if served else ()) + tuple(entries)
    if whole and whole not in {one.blocks for one in sets}:
        sets.append(FeatureSet(WHOLE, whole))
    return sets


def shown(entry: str) -> str:
    """Return what an entry is called beside the baselines, which are called "words", say.

    Examples
    --------
    >>> shown("reduced"), shown("words")
    ('reduced', 'entry words')
    """
    return f"entry {entry}" if entry in BASELINES else entry


def single_entries(settings: RecipeSettings) -> list[str]:
    """Return the entries that make features of one text, but for the plain embedding.

    Those that do not go online are ingredients of others and are not compared.

    Raises
    ------
    EmbfeastError
        One of them is called "raw".
    """
    entries = [
        name
        for name, entry in settings.tricks.items()
        if entry.online and not entry.kind.baseline and entry.kind.takes != "pair"
    ]
    if RAW in entries:
        raise EmbfeastError(
            f"recipe {settings.name!r}: its entry {RAW!r} is called as what entries are compared "
            "with, the plain embedding",
            "give it another name",
        )
    return entries


def make_blocks(
    fitted: FittedRecipe,
    train: Sequence[str],
    test: Sequence[str],
    seed: int,
    times: Sequence[Any] | None = None,
) -> Blocks:
    """Compute every block (train, test) of one fold, whose training rows the recipe is fitted on.

    Whole numbers are left out: a cluster's number names it, and the distances say the same in a
    way that every model can use. A training row, which happened at its time, is told what labels of
    other rows say, of those known by then; never its own.
    """
    of_entities = fitted.settings.entity_entries
    wanted = [name for name in single_entries(fitted.settings) if name not in of_entities]
    learned = fitted.matrices(train, wanted, times=times, keys=range(len(train)))
    both = [learned, fitted.matrices(test, wanted)]
    raw = both[0][PLAIN], both[1][PLAIN]
    blocks: Blocks = {RAW: raw}
    for entry in wanted:
        kept = _sizes(fitted, entry)
        blocks[entry] = both[0][entry][:, kept], both[1][entry][:, kept]
        if name := _control(fitted.settings, entry):
            control = fitted.tricks[entry].control_of(raw[0], seed)
            blocks[name] = control.transform(raw[0]), control.transform(raw[1])
    return blocks


def blocks_of_entities(
    fitted: FittedRecipe, written: Written, train: NDArray[np.int64], test: NDArray[np.int64]
) -> Blocks:
    """Compute the blocks that read what entities wrote before, among all texts there are.

    An entity's texts lie in one fold, so that none is told of what was learned from.
    """
    of_entities = fitted.settings.entity_entries
    wanted = [name for name in single_entries(fitted.settings) if name in of_entities]
    needed = [fitted.tricks[name] for name in fitted.settings.needed(wanted)]
    if any(trick.needs_occasions and not trick.needs_entity for trick in needed):
        raise EmbfeastError(
            "an entry reads both labels of other texts and what an entity wrote before, which "
            "cannot be evaluated together",
            "compare two entries, one of each",
        )
    made = fitted.matrices(
        written.texts, wanted, times=written.times, entities=dict(written.entities)
    )
    rows = written.rows[train], written.rows[test]
    blocks = {entry: made[entry][:, _sizes(fitted, entry)] for entry in wanted}
    return {entry: (block[rows[0]], block[rows[1]]) for entry, block in blocks.items()}


def _sizes(fitted: FittedRecipe, entry: str) -> list[int]:
    """Return the places of an entry's numbers that are no names of something."""
    trick = fitted.tricks[entry]
    names = fitted.output_names(entry)
    return [i for i, name in enumerate(names) if name not in trick.whole_numbers]


def joined(blocks: Sequence[tuple[Matrix, Matrix]], scale: Scale) -> tuple[Matrix, Matrix]:
    """Return (train, test) blocks side by side, scaled by what the training rows say."""
    train = [block[0] for block in blocks]
    join = BlockJoin(scale).fit(train)
    return join.transform(train), join.transform([block[1] for block in blocks])


def _control(settings: RecipeSettings, entry: str) -> str:
    """Return the name of the block that an entry is compared with; empty without one."""
    control = settings.tricks[entry].kind.control
    return f"{control} for {entry}" if control else ""
