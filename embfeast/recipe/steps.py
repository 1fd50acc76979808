"""One entry after another applied to encoded texts: what each reads and what it gives."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from embfeast.encoding import Encoder, Pooling
from embfeast.recipe.encoded import Matrix
from embfeast.recipe.settings import PLAIN, RecipeSettings, TrickSettings
from embfeast.tricks.parts.occasions import Occasions
from embfeast.tricks.trick import TextTrick, Trick


class Steps:
    """The fitted tricks of a recipe in their order."""

    def __init__(self, settings: RecipeSettings, tricks: Mapping[str, Trick]) -> None:
        self.settings = settings
        self.tricks = tricks

    def poolings(self, wanted: Sequence[str]) -> list[str | Pooling]:
        """Return what the encoder has to make of each text; nothing where no model is asked."""
        tricks = [self.tricks[name] for name in sorted(self.settings.needed(wanted))]
        poolings: list[str | Pooling] = []
        if not tricks or any(trick.needs_model for trick in tricks):
            poolings.append("sentence")
        for trick in tricks:
            if isinstance(trick, TextTrick):
                poolings += trick.poolings()
        return poolings

    def names(self, entry: str, encoder: Encoder) -> list[str]:
        """Return the names of an entry's single numbers, those inside a vector included."""
        trick, read = self.tricks[entry], self.settings.tricks[entry].input
        given = None
        if trick.baseline:  # it alone is named by what it reads
            plain = read == entry or read not in self.tricks
            given = plain_names(encoder) if plain else self.names(read, encoder)
        return [str(name) for name in trick.get_feature_names_out(given)]

    def outputs(
        self,
        texts: list[str],
        blocks: dict[str, Matrix],
        wanted: Sequence[str],
        encoder: Encoder,
        occasions: Occasions,
    ) -> dict[str, Matrix]:
        """Return what the wanted entries and those they read give, and the plain vectors."""
        outputs = {PLAIN: blocks["sentence"]} if "sentence" in blocks else {}
        needed = self.settings.needed(wanted)
        for name in (name for name in self.settings.tricks if name in needed):
            trick, entry = self.tricks[name], self.settings.tricks[name]
            if not texts:  # scikit-learn's transformers refuse no rows at all
                outputs[name] = np.empty((0, len(self.names(name, encoder))), dtype=np.float32)
            elif isinstance(trick, TextTrick):
                outputs[name] = trick.join(texts, blocks, encoder)
            else:
                # Both ends are ours: vectors are finite and of the fitted width.
                outputs[name] = apply(trick, inputs_of(entry, outputs), occasions)
        return outputs


def apply(trick: Any, inputs: Any, occasions: Occasions) -> Any:
    """Return what a trick makes of rows, told when they happened where it asks."""
    if trick.needs_occasions:
        told: dict[str, Any] = {"times": occasions.times, "owners": occasions.owners}
        if trick.needs_entity:
            told |= {"entities": occasions.of_entity(trick.entity), "asked": occasions.asked}
        return trick.transform_checked(inputs, **told)
    return trick.transform_checked(inputs)


def encode_pooled(
    encoder: Encoder,
    texts: list[str],
    poolings: Sequence[str | Pooling],
    progress: Callable[[int], Any] | None,
) -> dict[str, Matrix]:
    """Return poolings of texts; the model is not asked where none is wanted."""
    if poolings:
        return encoder.encode_pooled(texts, poolings, progress=progress)
    if progress:
        progress(len(texts))
    return {}


def inputs_of(entry: TrickSettings, outputs: Mapping[str, Matrix]) -> Any:
    """Return what an entry reads: one output, or several."""
    if entry.kind.takes == "vectors":
        return [outputs[name] for name in entry.inputs]
    return outputs[entry.input]


def plain_names(encoder: Encoder) -> list[str]:
    """Return the names of the plain vector's numbers."""
    return [f"embedding_{i:03d}" for i in range(encoder.dimension)]
