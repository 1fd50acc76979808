"""What a trick knows of the texts that `init` proposes a recipe for, and what it proposes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embfeast.encoding import Encoder


@dataclass(frozen=True)
class Setting:
    """One line of the recipe: a setting and why."""

    name: str
    value: Any
    why: str = ""


@dataclass(frozen=True)
class Proposed:
    """One entry of the recipe: its name, what it is for, and its settings."""

    name: str
    why: str
    settings: list[Setting] = field(default_factory=list)


@dataclass
class ProposalSample:
    """Distinct texts with their vectors, what was counted of them, and what was proposed so far.

    Attributes
    ----------
    texts : list of str
    vectors : ndarray of shape (n, dim), float32
    encoder : Encoder
    clusters : (int, str)
        A number of clusters and what speaks for it.
    label : str or None
    concepts : dict
        Phrases by concept: the label's values, where they are words.
    no_concepts : str
        Why there are none.
    pairs : bool
        Whether features of pairs are asked for.
    entity : (str, str) or None
        The column that says who wrote several of the texts, and what speaks for it.
    unread : str
        Shares of scripts that the model does not read; empty where it reads all.
    proposed : dict of Proposed
        Earlier entries by name.
    left_out, warnings : list of str
        What was not proposed and why; what a person should know of the texts.
    """

    texts: list[str]
    vectors: NDArray[np.float32]
    encoder: Encoder
    clusters: tuple[int, str] = (2, "")
    label: str | None = None
    concepts: dict[str, str | list[str]] = field(default_factory=dict)
    no_concepts: str = ""
    pairs: bool = False
    entity: tuple[str, str] | None = None
    unread: str = ""
    proposed: dict[str, Proposed] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def count(self) -> str:
        """The number of texts, in words."""
        return f"{len(self.texts):,} texts"
