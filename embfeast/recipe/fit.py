"""One fit of a recipe: entry after entry, each on what earlier ones give."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embfeast.encoding import Encoder, Pooling
from embfeast.errors import EmbfeastError
from embfeast.recipe.fitted import WHOLE_NUMBERS, FittedRecipe
from embfeast.recipe.pairs import training_pairs
from embfeast.recipe.settings import (
    JOIN,
    PAIR,
    PLAIN,
    POOLER,
    SHARED,
    TRICKS,
    RecipeSettings,
    TrickSettings,
)
from embfeast.tricks import ClusterFeatures


class Fit:
    """One run over the entries of a recipe.

    Parameters
    ----------
    settings : RecipeSettings
    texts : list of str
        Those that may be read.
    encoder : Encoder
    labels : Series or None
        For tricks that select by them.
    previous : FittedRecipe or None
        An earlier fit, whose cluster numbers are kept.
    """

    def __init__(
        self,
        settings: RecipeSettings,
        texts: list[str],
        encoder: Encoder,
        labels: pd.Series | None,
        previous: FittedRecipe | None,
    ) -> None:
        self.settings = settings
        self.texts = texts
        self.encoder = encoder
        self.labels = labels
        self.previous = previous
        self.tricks: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}
        self.names: dict[str, list[str]] = {}

    def run(
        self, pairs: list[tuple[int, int]] | None, progress: Callable[[int], Any] | None
    ) -> dict[str, Any]:
        """Fit all entries; texts are encoded once, for all poolings together."""
        poolings: list[str | Pooling] = ["sentence"]
        for name, entry in self.settings.tricks.items():
            if entry.trick != PLAIN:
                self.tricks[name] = make_trick(entry, self.settings)
            if entry.trick == POOLER:
                with _named(name, entry):
                    poolings += self.tricks[name].learn(self.texts, self.encoder).poolings()
        blocks = self.encoder.encode_pooled(self.texts, poolings, progress=progress)
        self.outputs[PLAIN] = blocks["sentence"]
        self.names[PLAIN] = [f"embedding_{i:03d}" for i in range(self.encoder.dimension)]
        for name, entry in self.settings.tricks.items():
            with _named(name, entry):
                self._fit_entry(name, entry, blocks, pairs)
            if name in self.tricks:
                self.names[name] = [str(n) for n in self.tricks[name].get_feature_names_out()]
            else:
                self.names[name] = self.names[entry.input]
        return self.tricks

    def _fit_entry(
        self,
        name: str,
        entry: TrickSettings,
        blocks: dict[str, NDArray[np.float32]],
        pairs: list[tuple[int, int]] | None,
    ) -> None:
        trick = self.tricks.get(name)
        if trick is None:
            self.outputs[name] = self.outputs[entry.input]
        elif entry.trick == POOLER:
            self.outputs[name] = trick.fit_blocks(self.texts, blocks, self.encoder)
        elif entry.trick == JOIN:
            joined = [self.outputs[read] for read in entry.inputs]
            self.outputs[name] = trick.fit(joined, self._joined_names(entry)).transform(joined)
        elif entry.trick == PAIR:
            vectors = self.outputs[entry.input]
            left, right = training_pairs(vectors, pairs, self.settings.random_state)
            trick.fit(np.hstack([left, right]))
        else:
            vectors = self.outputs[entry.input]
            trick.fit(vectors, self.labels, **self._extras(name, entry))
            self.outputs[name] = trick.transform(vectors)

    def _extras(self, name: str, entry: TrickSettings) -> dict[str, Any]:
        """Return what some tricks can use besides vectors and labels."""
        if entry.trick == "anchor_similarity":
            return {"texts": self.texts}
        earlier = self.previous.tricks.get(name) if self.previous is not None else None
        if entry.trick == "cluster_features" and isinstance(earlier, ClusterFeatures):
            return {"previous": earlier}
        return {}

    def _joined_names(self, entry: TrickSettings) -> list[str]:
        for read in entry.inputs:
            if whole := sorted(WHOLE_NUMBERS & set(self.names[read])):
                raise ValueError(
                    f"input {read!r} gives {', '.join(whole)}, a number that names something and "
                    "cannot stand in a vector; let it give distances or membership alone (outputs)"
                )
        return [f"{read}_{name}" for read in entry.inputs for name in self.names[read]]


@contextmanager
def _named(name: str, entry: TrickSettings) -> Iterator[None]:
    """Name the recipe's entry in a trick's own error."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise EmbfeastError(f"recipe entry {name!r} ({entry.trick}): {error}") from error


def make_trick(entry: TrickSettings, recipe: RecipeSettings) -> Any:
    """Return the unfitted transformer of an entry, with the recipe's own model and seed."""
    kind = TRICKS[entry.trick]
    shared = {name: getattr(recipe, name) for name in SHARED}
    known = kind().get_params()
    return kind(**entry.settings, **{k: v for k, v in shared.items() if k in known})
