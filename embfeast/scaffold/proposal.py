"""A recipe proposed from a sample of the texts, each setting with the figure that decided it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embfeast.encoding import DEFAULT_MODEL, Encoder
from embfeast.errors import EmbfeastError
from embfeast.scaffold.anchors import concepts
from embfeast.scaffold.survey import LEAST_TEXTS
from embfeast.scaffold.unicode_scripts import scripts
from embfeast.tricks.parts.clustering import best_count, count_curves, numbers_to_try
from embfeast.tricks.proposal import ProposalSample, Setting
from embfeast.tricks.registry import TRICKS

# A cluster is learned from at least so many texts.
TEXTS_A_CLUSTER, MOST_CLUSTERS = 8, 24
# From this share of texts in another script on, the default model is the wrong one.
OTHER_SCRIPTS = 0.1

Progress = Callable[[str, float], Any]


@dataclass(frozen=True)
class Entry:
    """One entry of the recipe; `why` says what it is for."""

    name: str
    trick: str
    why: str
    settings: list[Setting]


@dataclass(frozen=True)
class Proposal:
    """The proposed recipe; what was left out and why; what a person should know of the texts."""

    entries: list[Entry]
    left_out: list[str]
    warnings: list[str]


def propose(
    texts: Sequence[str],
    encoder: Encoder,
    *,
    label: str | None = None,
    labels: Sequence[str] = (),
    pairs: bool = False,
    entity: tuple[str, str] | None = None,
    progress: Progress = lambda what, share: None,
) -> Proposal:
    """Propose a recipe for distinct texts known before the cutoff of the fit; 2,000 say enough.

    The names of a label's values become anchors where they are words; `entity` is the column that
    says who wrote several of them, and why it is taken for that. `progress` is called with what is
    being done and the share of it that is done.

    Examples
    --------
    >>> topics = ["the invoice", "a parcel", "my password", "the refund", "an export"]
    >>> texts = [f"{topic} of order {i} is wrong" for i in range(4) for topic in topics]
    >>> found = propose(texts, Encoder())
    >>> [entry.name for entry in found.entries]
    ['embedding', 'similarity', 'reduced', 'cluster', 'pooled']
    """
    seen = 0

    def encoded(count: int) -> None:
        nonlocal seen
        seen += count
        progress("encoding a sample", seen / len(texts))

    vectors = encoder.encode(texts, progress=encoded)
    _, first = np.unique(vectors, axis=0, return_index=True)
    if len(first) < LEAST_TEXTS:
        raise EmbfeastError(
            f"{len(texts):,} distinct texts give {len(first)} vectors, since they begin alike; "
            f"features need {LEAST_TEXTS}: name another column with --text, or leave the common "
            "beginning out by a query"
        )
    kept = np.sort(first)
    phrases, refused = concepts(labels) if label else ({}, "")
    clusters = _clusters(vectors[kept], progress)
    said = [texts[i] for i in kept]
    sample = ProposalSample(said, vectors[kept], encoder, clusters, label, phrases, refused, pairs)
    sample.entity = entity
    sample.unread = _unread_scripts(sample)
    if sample.unread:
        sample.warnings.append(
            f"{sample.unread}: the model {DEFAULT_MODEL} reads English; give one of your language "
            "with --model"
        )
    entries = []
    for name, trick in TRICKS.items():
        if (made := trick.propose(sample)) is not None:
            sample.proposed[made.name] = made
            entries.append(Entry(made.name, name, made.why, made.settings))
    return Proposal(entries, sample.left_out, sample.warnings)


def _unread_scripts(sample: ProposalSample) -> str:
    """Return what the texts are written in where the default model does not read it."""
    shares = scripts(sample.texts)
    if sample.encoder.model != DEFAULT_MODEL or shares.get("latin", 0.0) >= 1 - OTHER_SCRIPTS:
        return ""
    others = [
        f"{share:.0%} {script.title()}" for script, share in shares.items() if script != "latin"
    ]
    return ", ".join(others) or "no letters"


def _clusters(vectors: NDArray[np.float32], progress: Progress) -> tuple[int, str]:
    """Return a number of clusters and what speaks for it."""
    most = min(MOST_CLUSTERS, len(vectors) // TEXTS_A_CLUSTER)
    if most < 3:  # nothing to choose from
        return 2, f"{len(vectors):,} texts are too few to tell more"
    tried = 0

    def scored(count: int) -> None:
        nonlocal tried
        tried += count
        progress("counting clusters", tried / (most - 1))

    numbers = numbers_to_try(vectors, most)
    curves = count_curves(vectors, ("elbow", "silhouette"), numbers, 0, progress=scored)
    elbow, peak = (best_count(curves, rule) for rule in ("elbow", "silhouette"))
    height = f"{max(curves['silhouette']):.2f}"
    if 2 < peak < most:
        return peak, f"silhouette is highest there ({height}); the elbow is at {elbow}"
    return elbow, f"the elbow; silhouette only rises up to {peak} ({height})"
