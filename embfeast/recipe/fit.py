"""One fit of a recipe: entry after entry, each on what earlier ones give."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from embfeast.encoding import Encoder
from embfeast.errors import EmbfeastError
from embfeast.recipe.encoded import Matrix
from embfeast.recipe.pairs import training_pairs
from embfeast.recipe.settings import PLAIN, RecipeSettings, TrickSettings
from embfeast.recipe.steps import Steps, apply, inputs_of, plain_names
from embfeast.tricks.parts.occasions import Occasions
from embfeast.tricks.trick import TextTrick, Trick


@dataclass(frozen=True)
class Beside:
    """What is known of the rows beside their texts; None where it is not.

    Labels, when rows happened, when their labels were known, whose rows they are, who wrote them,
    and the moment before which all of that was known.
    """

    labels: pd.Series | None = None
    times: pd.Series | None = None
    known: pd.Series | None = None
    keys: pa.Table | None = None
    entities: Mapping[str, Any] | None = None
    as_of: Any = None


class Fit:
    """One run over the entries of a recipe, on the texts that may be read."""

    def __init__(
        self,
        settings: RecipeSettings,
        texts: list[str],
        encoder: Encoder,
        beside: Beside,
        previous: dict[str, Trick],
    ) -> None:
        self.settings = settings
        self.texts = texts
        self.encoder = encoder
        self.beside = beside
        self.occasions = Occasions.of(beside.times, beside.keys, len(texts), beside.entities)
        self.previous = previous
        self.tricks = {name: settings.make(name) for name in settings.tricks}
        self.steps = Steps(settings, self.tricks)
        self.blocks: dict[str, Matrix] = {}
        self.outputs: dict[str, Matrix] = {}
        self.names: dict[str, list[str]] = {PLAIN: plain_names(encoder)}

    def run(
        self, pairs: list[tuple[int, int]] | None, progress: Callable[[int], Any] | None
    ) -> dict[str, Trick]:
        """Fit all entries; texts are encoded once, for all poolings together."""
        for name, trick in self.tricks.items():
            if isinstance(trick, TextTrick):
                with self._named(name):
                    trick.learn(self.texts, self.encoder)
        poolings = self.steps.poolings(list(self.tricks))
        self.blocks = self.steps.encode(self.encoder, self.texts, poolings, progress)
        if "sentence" in self.blocks:
            self.outputs[PLAIN] = self.blocks["sentence"]
        for name, trick in self.tricks.items():
            with self._named(name):
                if isinstance(trick, TextTrick):
                    self.outputs[name] = trick.fit_blocks(self.texts, self.blocks, self.encoder)
                else:
                    self._fit(name, trick, self.settings.tricks[name], pairs)
                self.names[name] = self.steps.names(name, self.encoder)
        return self.tricks

    def _fit(
        self, name: str, trick: Any, entry: TrickSettings, pairs: list[tuple[int, int]] | None
    ) -> None:
        if trick.takes == "pair":
            left, right = (self.outputs[side] for side in entry.sides)
            if left.shape[1] != right.shape[1]:
                raise ValueError(
                    f"{entry.left!r} gives {left.shape[1]} numbers and {entry.right!r} "
                    f"{right.shape[1]}; both sides of a pair lie in one space"
                )
            sides = training_pairs(left, right, pairs, self.settings.random_state)
            trick.fit(np.hstack(sides))
            return
        if trick.as_query:
            self._joined_names(entry)  # refuses what cannot stand in a vector
            self.outputs[name] = self.steps.of_queries(
                entry.input, self.texts, self.blocks, self.encoder
            )
            return
        inputs = inputs_of(entry, self.outputs)
        trick.fit(inputs, self.beside.labels, **self._extras(name, trick, entry))
        if trick.needs_occasions:
            self.outputs[name] = apply(trick, inputs, self.occasions)
        else:
            self.outputs[name] = trick.transform(inputs)

    def _extras(self, name: str, trick: Any, entry: TrickSettings) -> dict[str, Any]:
        """Return what the trick's `fit` asks for by name besides vectors and labels."""
        earlier = self.previous.get(name)
        known: dict[str, Callable[[], Any]] = {
            "texts": lambda: self.texts,
            "names": lambda: self._joined_names(entry),
            "previous": lambda: earlier if isinstance(earlier, type(trick)) else None,
            "times": lambda: self.beside.times,
            "known": lambda: self.beside.known,
            "keys": lambda: self.beside.keys,
            "as_of": lambda: self.beside.as_of,
        }
        return {one: known[one]() for one in inspect.signature(trick.fit).parameters.keys() & known}

    def _joined_names(self, entry: TrickSettings) -> list[str]:
        """Return the names of all columns that an entry reads, with their entries' names."""
        numbers = {name for trick in self.tricks.values() for name in trick.whole_numbers}
        names: list[str] = []
        for read in entry.reads:
            if whole := sorted(numbers & set(self.names[read])):
                raise ValueError(
                    f"input {read!r} gives {', '.join(whole)}, a number that names something and "
                    "cannot stand in a vector; let it give distances or membership alone (outputs)"
                )
            names += [f"{read}_{name}" for name in self.names[read]]
        return names

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Name the recipe's entry in a trick's own error."""
        try:
            yield
        except (ValueError, TypeError) as error:
            trick = self.settings.tricks[name].trick
            raise EmbfeastError(f"recipe entry {name!r} ({trick}): {error}") from error
