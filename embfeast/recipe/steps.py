"""One entry after another applied to encoded texts: what each reads and what it gives."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from embfeast.encoding import Encoder, Pooling
from embfeast.encoding.settings import model_settings
from embfeast.errors import EmbfeastError
from embfeast.recipe.encoded import Matrix
from embfeast.recipe.settings import PLAIN, RecipeSettings, TrickSettings
from embfeast.tricks.parts.occasions import Occasions
from embfeast.tricks.trick import TextTrick, Trick

# Beside the poolings: the sentence vectors of texts that are read as queries.
QUERY = "query"


class Steps:
    """The fitted tricks of a recipe in their order."""

    def __init__(self, settings: RecipeSettings, tricks: Mapping[str, Trick]) -> None:
        self.settings = settings
        self.tricks = tricks

    def poolings(self, wanted: Sequence[str]) -> list[str | Pooling]:
        """Return what the encoder has to make of each text; nothing where no model is asked."""
        needed = self.settings.needed(wanted, of_queries=False)
        tricks = [self.tricks[name] for name in sorted(needed)]
        poolings: list[str | Pooling] = []
        if not tricks or any(trick.needs_model and not trick.as_query for trick in tricks):
            poolings.append("sentence")
        if any(trick.as_query for trick in tricks):
            poolings.append(QUERY)
        for trick in tricks:
            if isinstance(trick, TextTrick):
                poolings += trick.poolings()
        return poolings

    def encode(
        self,
        encoder: Encoder,
        texts: list[str],
        poolings: Sequence[str | Pooling],
        progress: Callable[[int], Any] | None,
    ) -> dict[str, Matrix]:
        """Return poolings of texts; the model is not asked where none is wanted."""
        of_documents = [pooling for pooling in poolings if pooling != QUERY]
        if QUERY in poolings and of_documents and progress:
            progress = _in_halves(progress)
        blocks: dict[str, Matrix] = {}
        if of_documents:
            blocks |= encoder.encode_pooled(texts, of_documents, progress=progress)
        if QUERY in poolings:
            self._check_queries(encoder)
            blocks[QUERY] = encoder.query.encode(texts, progress=progress)
        if not poolings and progress:
            progress(len(texts))
        return blocks

    def _check_queries(self, encoder: Encoder) -> None:
        """Refuse an encoder that reads queries otherwise, which its digest does not say."""
        wanted = model_settings(self.settings.model)
        for name in ("query_prompt", "query_prompt_name"):
            if getattr(encoder.settings, name) != getattr(wanted, name):
                raise EmbfeastError(
                    f"the encoder's {name} is {getattr(encoder.settings, name)!r}, the recipe's is "
                    f"{getattr(wanted, name)!r}",
                    "give Encoder(recipe.settings.model, ...)",
                )

    def names(self, entry: str, encoder: Encoder) -> list[str]:
        """Return the names of an entry's single numbers, those inside a vector included."""
        trick, read = self.tricks[entry], self.settings.tricks[entry].input
        given = None
        if trick.baseline or trick.as_query:  # they alone are named by what they read
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
        needed = self.settings.needed(wanted, of_queries=False)
        for name in (name for name in self.settings.tricks if name in needed):
            trick, entry = self.tricks[name], self.settings.tricks[name]
            if not texts:  # scikit-learn's transformers refuse no rows at all
                outputs[name] = np.empty((0, len(self.names(name, encoder))), dtype=np.float32)
            elif isinstance(trick, TextTrick):
                outputs[name] = trick.join(texts, blocks, encoder)
            elif trick.as_query:
                outputs[name] = self.of_queries(entry.input, texts, blocks, encoder)
            else:
                # Both ends are ours: vectors are finite and of the fitted width.
                outputs[name] = apply(trick, inputs_of(entry, outputs), occasions)
        return outputs

    def of_queries(
        self, read: str, texts: list[str], blocks: dict[str, Matrix], encoder: Encoder
    ) -> Matrix:
        """Return what an entry makes of texts that are read as queries."""
        asked = {"sentence": blocks[QUERY]}
        return self.outputs(texts, asked, [read], encoder, Occasions())[read]


def apply(trick: Any, inputs: Any, occasions: Occasions) -> Any:
    """Return what a trick makes of rows, told when they happened where it asks."""
    if trick.needs_occasions:
        told: dict[str, Any] = {"times": occasions.times, "owners": occasions.owners}
        if trick.needs_entity:
            told |= {"entities": occasions.of_entity(trick.entity), "asked": occasions.asked}
        return trick.transform_checked(inputs, **told)
    return trick.transform_checked(inputs)


def _in_halves(progress: Callable[[int], Any]) -> Callable[[int], Any]:
    """Count a text when it was encoded twice."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        before, done = done, done + count
        progress(done // 2 - before // 2)

    return advance


def check_finite(entry: str, matrix: Matrix) -> None:
    """Refuse what an entry made where it is no number."""
    if not np.isfinite(matrix).all():
        raise EmbfeastError(
            f"recipe entry {entry!r} gave a number that is not finite; its fitted state does not "
            "suit these texts: fit again on more of them, and tell us"
        )


def inputs_of(entry: TrickSettings, outputs: Mapping[str, Matrix]) -> Any:
    """Return what an entry reads: one output, or several."""
    if entry.kind.takes == "vectors":
        return [outputs[name] for name in entry.inputs]
    return outputs[entry.input]


def plain_names(encoder: Encoder) -> list[str]:
    """Return the names of the plain vector's numbers."""
    return [f"embedding_{i:03d}" for i in range(encoder.dimension)]
