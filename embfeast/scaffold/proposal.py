"""A recipe proposed from a sample of the texts, each setting with the figure that decided it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embfeast.encoding import DEFAULT_MODEL, Encoder
from embfeast.encoding.model import resolve
from embfeast.errors import EmbfeastError
from embfeast.scaffold.anchors import concepts
from embfeast.scaffold.survey import LEAST_TEXTS
from embfeast.scaffold.writing import scripts
from embfeast.tricks import AnchorSimilarity, EmbeddingReducer, Whitener
from embfeast.tricks.clustering import best_count, count_curves
from embfeast.tricks.neighbours import overlap
from embfeast.tricks.rowwise import unit_rows
from embfeast.tricks.sentences import split_sentences

Vectors = NDArray[np.float32]

# The share of the variance that a reduced vector is to keep.
VARIANCE = 0.8
MOST_COMPONENTS = 128
# A direction, a cluster or an anchor is learned from at least so many texts.
TEXTS_A_DIRECTION, TEXTS_A_CLUSTER = 4, 8
MOST_CLUSTERS = 24
LEAST_WHITENED, LEAST_SYNTHESIZED = 50, 100
MOST_SYNTHESIZED = 12
PAIR_COMPONENTS = 64
# From this share of texts longer than the model's window on, they are read whole.
LONG = 0.05
# Texts whose sentences are looked at, and how many sentences make one worth it.
LOOKED_AT, SENTENCES = 60, 4
# From this share of texts in another script on, the default model is the wrong one.
OTHER_SCRIPTS = 0.1
# Sentences of one text this much nearer to each other than to another text's are of one topic.
ONE_TOPIC = 0.15


@dataclass(frozen=True)
class Setting:
    """One line of the recipe: a setting and why."""

    name: str
    value: Any
    why: str = ""


@dataclass(frozen=True)
class Entry:
    """One entry of the recipe.

    Attributes
    ----------
    name, trick : str
    why : str
        What it is for.
    settings : list of Setting
    """

    name: str
    trick: str
    why: str
    settings: list[Setting] = field(default_factory=list)


@dataclass(frozen=True)
class Proposal:
    """The proposed recipe.

    Attributes
    ----------
    entries : list of Entry
    left_out : list of str
        What was not proposed and why, a sentence each.
    warnings : list of str
        What a person should know of the texts.
    """

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
    progress: Callable[[str, float], Any] = lambda what, share: None,
) -> Proposal:
    """Propose a recipe.

    Parameters
    ----------
    texts : sequence of str, length n
        Distinct texts known before the cutoff of the fit; 2,000 say enough.
    encoder : Encoder
    label : str, optional
        The label column, and its values in `labels`: their names become anchors where they are
        words.
    labels : sequence of str
    pairs : bool, default False
        Add an entry for pairs of texts.
    progress : callable, optional
        Called with what is being done and the share of it that is done, from 0 to 1.

    Returns
    -------
    Proposal

    Raises
    ------
    EmbfeastError
        The texts give hardly any different vectors.

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
    made = _Proposing([texts[i] for i in kept], vectors[kept], encoder, progress)
    return made.run(label, labels, pairs)


class _Proposing:
    def __init__(
        self,
        texts: list[str],
        vectors: Vectors,
        encoder: Encoder,
        progress: Callable[[str, float], Any],
    ) -> None:
        self.texts = texts
        self.vectors = vectors
        self.encoder = encoder
        self.progress = progress
        self.left_out: list[str] = []
        self.warnings: list[str] = []
        self.count = f"{len(texts):,} texts"
        self.components = 0

    def run(self, label: str | None, labels: Sequence[str], pairs: bool) -> Proposal:
        clusters, why = self._clusters()
        self._warn_of_languages()
        steps = [
            self._embedding(),
            self._anchors(label, labels, clusters, why),
            self._reduced(),
            self._cluster(clusters, why),
            self._whitened(),
            self._pooled(),
            self._products(),
            self._pair() if pairs else None,
        ]
        return Proposal([step for step in steps if step], self.left_out, self.warnings)

    def _warn_of_languages(self) -> None:
        shares = scripts(self.texts)
        others = [f"{share:.0%} {script}" for script, share in shares.items() if script != "latin"]
        if self.encoder.model == DEFAULT_MODEL and shares.get("latin", 0.0) < 1 - OTHER_SCRIPTS:
            self.warnings.append(
                f"{', '.join(others) or 'no letters'}: the model {DEFAULT_MODEL} reads English; "
                "give one of your language with --model"
            )

    def _embedding(self) -> Entry:
        width = self.vectors.shape[1]
        return Entry(
            "embedding", "embedding", f"The sentence vector itself, {width} numbers: the yardstick."
        )

    def _clusters(self) -> tuple[int, str]:
        """Return a number of clusters and what speaks for it."""
        most = min(MOST_CLUSTERS, len(self.texts) // TEXTS_A_CLUSTER)
        if most < 3:  # nothing to choose from
            return 2, f"{self.count} are too few to tell more"
        tried = 0

        def scored(count: int) -> None:
            nonlocal tried
            tried += count
            self.progress("counting clusters", tried / (most - 1))

        curves = count_curves(self.vectors, ("elbow", "silhouette"), most, 0, scored)
        elbow, peak = (best_count(curves, rule) for rule in ("elbow", "silhouette"))
        height = f"{max(curves['silhouette']):.2f}"
        if 2 < peak < most:
            return peak, f"silhouette is highest there ({height}); the elbow is at {elbow}"
        return (
            elbow,
            f"the elbow; silhouette only rises up to {peak} ({height})",
        )

    def _anchors(self, label: str | None, labels: Sequence[str], clusters: int, why: str) -> Entry:
        phrases, refused = concepts(labels) if label else ({}, "")
        if phrases:
            try:
                AnchorSimilarity(phrases, model=self.encoder.model).fit(self.vectors[:2])
            except ValueError as error:
                phrases, refused = {}, str(error).removeprefix("AnchorSimilarity: ")
        if phrases:
            return Entry(
                "similarity",
                "anchor_similarity",
                f"Cosine similarity to concepts: the names of {label!r}. Reword them as your "
                "texts would.",
                [Setting("anchors", phrases)],
            )
        reason = f"; {label!r} gives no names: {refused}" if label else ""
        return Entry(
            "similarity",
            "anchor_similarity",
            "Cosine similarity to typical texts, found by clustering and named by their words"
            f"{reason}. Concepts of your own say more: {{refund: [I want my money back]}}.",
            [Setting("anchors", clusters, f"as many as clusters: {why}")],
        )

    def _reduced(self) -> Entry:
        curve = EmbeddingReducer(1).fit(self.vectors).variance_curve_
        enough = int(np.argmax(curve >= VARIANCE)) + 1
        most = min(MOST_COMPONENTS, len(self.texts) // TEXTS_A_DIRECTION)
        self.components = max(2, min(8 * -(-enough // 8), most))
        kept = curve[min(self.components, len(curve)) - 1]
        why = f"keeps {kept:.0%} of the variance of {self.count}"
        if self.components < enough:
            limit = "at most" if most == MOST_COMPONENTS else f"{TEXTS_A_DIRECTION} texts each,"
            why += f"; {VARIANCE:.0%} would take {enough}, {limit} {most}"
        return Entry(
            "reduced",
            "embedding_reducer",
            "The strongest directions (PCA): what to serve where bytes count.",
            [Setting("n_components", self.components, why)],
        )

    def _cluster(self, clusters: int, why: str) -> Entry:
        return Entry(
            "cluster",
            "cluster_features",
            "The nearest of some groups, and the distance to each: for people, trees, monitoring.",
            [Setting("n_clusters", clusters, why)],
        )

    def _whitened(self) -> Entry | None:
        rows, width = self.vectors.shape
        if rows < LEAST_WHITENED:
            self.left_out.append(
                f"whitener: {self.count} say too little about {width} directions; "
                f"from {LEAST_WHITENED} on"
            )
            return None
        white = unit_rows(Whitener().fit_transform(self.vectors)).astype(np.float32)
        kept = overlap(self.vectors, white, 10)
        measured = (
            f"cosine of two texts {_typical_cosine(self.vectors):.2f}, whitened "
            f"{_typical_cosine(white):.2f}; {kept:.0%} of neighbours stay"
        )
        settings = [Setting("strength", 0.5, measured)]
        if rows < 2 * width:
            why = f"drawn towards equal variance, since {self.count} are few for {width} directions"
            settings.append(Setting("shrinkage", 0.9, why))
        return Entry(
            "whitened",
            "whitener",
            "The directions brought nearer to one size: for cosines and neighbours.",
            settings,
        )

    def _pooled(self) -> Entry:
        settings = [Setting("pooling", ["mean", "max"], "each at unit length, side by side")]
        window = resolve(self.encoder.model).max_pieces
        long = float(np.mean([len(p) > window - 2 for p in self.encoder.pieces(self.texts)]))
        within, between = self._topics()
        if within is not None and within - between < ONE_TOPIC:
            why = (
                f"several topics a text: cosine of its sentences {within:.2f}, of others' "
                f"{between:.2f}"
            )
            settings.append(Setting("long_texts", "sentences", why))
        elif long >= LONG:
            why = f"{long:.0%} are longer than the model's {window} word pieces: read whole"
            settings.append(Setting("long_texts", "windows", why))
        if long:
            self.warnings.append(
                f"{long:.1%} of the texts are longer than the model's window of {window} word "
                "pieces: their sentence vector is that of the beginning"
            )
        return Entry(
            "pooled", "token_pooler", "Poolings over the word pieces beside each other.", settings
        )

    def _topics(self) -> tuple[float | None, float]:
        """Return the mean cosine of sentences within a text, and between texts."""
        split = [split_sentences(text) for text in self.texts]
        several = [parts[:10] for parts in split if len(parts) >= SENTENCES]
        if len(several) < max(LEAST_WHITENED // 5, len(self.texts) // 4):  # the exception
            return None, 0.0
        several = several[:LOOKED_AT]
        of_text = np.repeat(np.arange(len(several)), [len(parts) for parts in several])
        vectors = self.encoder.encode([part for parts in several for part in parts])
        cosines = vectors @ vectors.T
        same = of_text[:, None] == of_text
        apart = ~np.eye(len(of_text), dtype=bool)
        return float(cosines[same & apart].mean()), float(cosines[~same].mean())

    def _products(self) -> Entry | None:
        rows = len(self.texts)
        if rows < LEAST_SYNTHESIZED:
            self.left_out.append(
                f"feature_synthesizer: products of directions need {LEAST_SYNTHESIZED} texts or "
                f"more, not {rows}"
            )
            return None
        # k columns make k + k(k+1)/2: no more than a tenth of the texts.
        fits = [k for k in range(2, MOST_SYNTHESIZED + 1) if k + k * (k + 1) // 2 <= rows / 10]
        count = max(fits, default=2)
        made = count + count * (count + 1) // 2
        why = f"with squares and products {made} numbers, learned from {self.count}"
        return Entry(
            "products",
            "feature_synthesizer",
            "Products of the strongest directions: for labels that depend on two at once.",
            [Setting("n_components", count, why)],
        )

    def _pair(self) -> Entry:
        count = min(PAIR_COMPONENTS, 2 * self.components)
        return Entry(
            "pair",
            "pair_interaction",
            "How two texts relate.",
            [
                Setting("input", "reduced", "so that the second online copy stays small"),
                Setting("order_free", True, "swapping the two texts changes no number"),
                Setting("n_components", count, f"of {3 * self.components} columns"),
            ],
        )


def _typical_cosine(vectors: Vectors) -> float:
    """Return the mean cosine of two different texts."""
    rows = len(vectors)
    mean = (np.square(vectors.sum(axis=0)).sum() - rows) / (rows * (rows - 1))
    return round(float(mean), 2) + 0.0  # never "-0.00"
