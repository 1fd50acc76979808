"""Trick 1: cosine similarity to named concepts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from embfeast.encoding.settings import ModelSettings
from embfeast.tricks.parts.clustering import check_distinct, cluster_in_passes
from embfeast.tricks.parts.rowwise import product, unit_rows
from embfeast.tricks.parts.terms import distinctive_terms, distinctive_words
from embfeast.tricks.proposal import ProposalSample, Proposed, Setting
from embfeast.tricks.trick import Vectors, VectorTrick, check_choice, identifier

Combine = Literal["mean", "best"]
COMBINES = ("mean", "best")
# Words that name an anchor that was found.
TERMS = 2
WORDS = "words"


class AnchorSimilarity(VectorTrick):
    """Cosine similarity to anchors: concepts given as phrases or vectors, or found by clustering.

    Parameters
    ----------
    anchors : dict of str or list of str, int, or array-like of shape (anchors, dim)
        Phrases by concept. A number: that many anchors are found, each the text nearest to a
        cluster's centre (its medoid). An array: the anchors' own vectors.
    names : list of str or "words", optional
        Names of anchors given as an array. With ``"words"``, anchors that are found are named
        without words like "the" and "was", where their texts are English.
    combine : {"mean", "best"}, default "mean"
        Of several phrases of a concept: their mean as unit vectors, or the one most similar to
        each text.
    contrast : bool, default False
        Give each similarity as standard deviations above that of a typical training text, so that
        scores of unlike anchors can be compared: some concepts are near to everything.
    model : str or ModelSettings, default "all-MiniLM-L6-v2"
        Encodes the phrases.
    random_state : int, default 0
        Seed of the clustering that finds anchors.

    Attributes
    ----------
    anchors_ : ndarray of shape (phrases, dim), float32
        Unit vectors; one an anchor unless `combine` is "best".
    groups_ : ndarray of shape (phrases,), int64
        The anchor that each belongs to, rising.
    names_ : list of str
    background_mean_, background_scale_ : ndarray of shape (anchors,), float64
        What similarities are compared with: 0 and 1 without contrast.

    See Also
    --------
    ClusterFeatures : Distances to centres that need no names.

    Notes
    -----
    The formula is x·a / (|x| |a|); a row has the same bits alone and in any batch, and a row of
    zeros gives 0. Anchors that are found are named by the words most distinctive of the texts
    around them where `fit` is given the texts.

    A linear model on the raw embedding can express every similarity already (the cosine is linear
    in a unit vector), so anchors help people, small models and trees. Compare them with random
    anchors before believing that their meaning is what helps.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [0, 1]], dtype=np.float32)
    >>> anchors = AnchorSimilarity(np.array([[2, 0], [1, 1]]), names=["East", "North east"])
    >>> anchors.fit_transform(vectors).round(2).tolist()
    [[1.0, 0.70...], [0.0, 0.70...]]
    >>> anchors.get_feature_names_out().tolist()
    ['similarity_east', 'similarity_north_east']
    """

    purpose = "cosine similarity to named concepts"
    scalars = True
    section = "anchors"
    control = "random anchors"

    @classmethod
    def propose(cls, sample: ProposalSample) -> Proposed:
        """Propose the label's values as concepts where they are words, else typical texts."""
        concepts, refused = sample.concepts, sample.no_concepts
        if concepts:
            try:
                cls(concepts, model=sample.encoder.model).fit(sample.vectors[:2])
            except ValueError as error:
                concepts, refused = {}, str(error).removeprefix("AnchorSimilarity: ")
        if concepts:
            why = (
                f"Cosine similarity to concepts: the names of {sample.label!r}. Reword them as "
                "your texts would."
            )
            return Proposed("similarity", why, [Setting("anchors", concepts)])
        count, speaks = sample.clusters
        reason = f"; {sample.label!r} gives no names: {refused}" if sample.label else ""
        return Proposed(
            "similarity",
            "Cosine similarity to typical texts, found by clustering and named by their words"
            f"{reason}. Concepts of your own say more: {{refund: [I want my money back]}}.",
            [
                Setting("anchors", count, f"as many as clusters: {speaks}"),
                Setting("names", WORDS, "function words left out"),
            ],
        )

    def __init__(
        self,
        anchors: Mapping[str, str | Sequence[str]] | int | NDArray[Any] = 8,
        *,
        names: list[str] | Literal["words"] | None = None,
        combine: Combine = "mean",
        contrast: bool = False,
        model: str | ModelSettings = "all-MiniLM-L6-v2",
        random_state: int = 0,
    ) -> None:
        self.anchors = anchors
        self.names = names
        self.combine = combine
        self.contrast = contrast
        self.model = model
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, texts: Sequence[str] | None = None) -> Self:
        """Fit on vectors.

        Parameters
        ----------
        X : array-like of shape (n, dim)
        y : ignored
        texts : sequence of str, length n, optional
            The rows' texts, which name anchors that are found.

        Returns
        -------
        self
        """
        super().fit(X, y)
        if texts is not None and self._finds():
            self._name_by(np.asarray(X, dtype=np.float32), list(texts))
        return self

    def control_of(self, X: Vectors, seed: int) -> "AnchorSimilarity":
        """Return similarities to random directions, as many as there are anchors."""
        drawn = np.random.default_rng(seed).normal(size=(len(self.names_), X.shape[1]))
        return AnchorSimilarity(drawn).fit(X)

    def _finds(self) -> bool:
        return isinstance(self.anchors, int | np.integer)

    def _fit(self, X: Vectors, y: Any) -> None:
        self._fit_anchors(lambda: [X], X.shape[1], lambda count: self._find(X, count))

    def _fit_chunks(self, chunks: Callable[[], Iterable[Vectors]]) -> None:
        first = next(iter(chunks()))
        self._fit_anchors(chunks, first.shape[1], lambda count: self._find_in_passes(chunks, count))

    def _fit_anchors(
        self,
        chunks: Callable[[], Iterable[Vectors]],
        width: int,
        find: Callable[[int], NDArray[np.float64]],
    ) -> None:
        check_choice(self, "combine", COMBINES)
        if isinstance(self.anchors, Mapping):
            names, vectors, groups = self._encode(self.anchors)
        elif self._finds():
            vectors = find(int(self.anchors))
            names = [f"found_{i:02d}" for i in range(len(vectors))]
            groups = np.arange(len(vectors))
        else:
            if self.names == WORDS:
                raise ValueError('AnchorSimilarity: names="words" is for anchors that are found')
            vectors = np.asarray(self.anchors, dtype=np.float64)
            names = list(self.names or [f"anchor_{i:02d}" for i in range(len(vectors))])
            groups = np.arange(len(vectors))
        self._check(names, vectors, groups, width)
        self.names_ = [identifier(str(name)) for name in names]
        self.groups_ = groups.astype(np.int64)
        self.anchors_ = unit_rows(vectors).astype(np.float32)
        self.background_mean_ = np.zeros(len(names))
        self.background_scale_ = np.ones(len(names))
        if self.contrast:
            self._measure_background(chunks)

    def _encode(
        self, anchors: Mapping[str, str | Sequence[str]]
    ) -> tuple[list[str], NDArray[np.float64], NDArray[np.int64]]:
        from embfeast.encoding import Encoder  # opens a model, which other kinds of anchor need not

        phrases = {
            name: [texts] if isinstance(texts, str) else list(texts)
            for name, texts in anchors.items()
        }
        if not phrases:
            raise ValueError("AnchorSimilarity: anchors is empty; give at least one concept")
        for name, texts in phrases.items():
            if not texts or not all(isinstance(p, str) and p.strip() for p in texts):
                raise ValueError(f"AnchorSimilarity: anchor {name!r} has no phrase, or a blank one")
        encoder = Encoder(self.model)
        blocks = [encoder.encode(texts).astype(np.float64) for texts in phrases.values()]
        if self.combine == "mean":
            blocks = [block.mean(axis=0, keepdims=True) for block in blocks]
        groups = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
        return list(phrases), np.vstack(blocks), groups

    def _find(self, X: Vectors, count: int) -> NDArray[np.float64]:
        if not 1 <= count <= len(X):
            raise ValueError(
                f"AnchorSimilarity: cannot find {count} anchors in {len(X)} texts (n_samples = "
                f"{len(X)}); give a number from 1 to {len(X)}, or fit on more texts"
            )
        units = _with_direction(unit_rows(X))
        check_distinct(units, count, of=self, setting="anchors")
        from sklearn.cluster import KMeans  # half a second, and only a fit needs it

        centres = KMeans(count, n_init=4, random_state=self.random_state).fit(units)
        medoids = cdist(centres.cluster_centers_, units).argmin(axis=1)
        anchors: NDArray[np.float64] = units[np.sort(medoids)]
        return anchors

    def _find_in_passes(
        self, chunks: Callable[[], Iterable[Vectors]], count: int
    ) -> NDArray[np.float64]:
        def units() -> Iterable[Vectors]:
            return (_with_direction(unit_rows(rows)).astype(np.float32) for rows in chunks())

        centres, _ = cluster_in_passes(units, count, self.random_state, of=self, setting="anchors")
        nearest = np.full(count, np.inf)
        anchors = np.zeros(centres.shape, dtype=np.float64)
        for rows in units():
            distances = cdist(centres, rows)
            closest = distances.argmin(axis=1)
            better = distances[np.arange(count), closest] < nearest
            nearest[better] = distances[better, closest[better]]
            anchors[better] = rows[closest[better]]
        return anchors

    def _name_by(self, X: Vectors, texts: list[str]) -> None:
        if len(texts) != len(X):
            raise ValueError(f"AnchorSimilarity: {len(texts)} texts for {len(X)} rows")
        groups = product(unit_rows(X), self.anchors_.T).argmax(axis=1)
        names: list[str] = []
        name_by = distinctive_words if self.names == WORDS else distinctive_terms
        for number, terms in enumerate(name_by(texts, groups, len(self.anchors_), TERMS)):
            name = identifier("_".join(terms)) or f"found_{number:02d}"
            # Two anchors with the same best words are told apart by their number.
            names.append(f"{name}_{number:02d}" if name in names else name)
        self.names_ = names

    def _check(
        self, names: list[str], vectors: NDArray[Any], groups: NDArray[Any], width: int
    ) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise ValueError(
                f"AnchorSimilarity: anchors have shape {vectors.shape}, vectors are {width} wide"
            )
        if not len(vectors):
            raise ValueError("AnchorSimilarity: anchors is empty; give at least one concept")
        if not np.isfinite(vectors).all() or not np.abs(vectors).sum(axis=1).all():
            raise ValueError("AnchorSimilarity: an anchor is a zero vector or not finite")
        anchors = int(groups.max()) + 1
        if len(names) != anchors:
            raise ValueError(f"AnchorSimilarity: {len(names)} names for {anchors} anchors")
        short = [identifier(str(name)) for name in names]
        if twice := sorted({name for name in short if short.count(name) > 1 or not name}):
            raise ValueError(
                f"AnchorSimilarity: anchors {twice} have the same name once turned into a feature "
                "name; name them apart"
            )
        self._check_apart(names, unit_rows(vectors), groups)

    def _check_apart(
        self, names: list[str], units: NDArray[np.float64], groups: NDArray[Any]
    ) -> None:
        """Refuse two concepts that are the same vector: their features would be one."""
        _, first, inverse = np.unique(
            units.round(6), axis=0, return_index=True, return_inverse=True
        )
        same = first[np.asarray(inverse).reshape(-1)]
        for phrase, other in enumerate(same.tolist()):
            if groups[phrase] != groups[other]:
                raise ValueError(
                    f"AnchorSimilarity: anchors {names[groups[other]]!r} and "
                    f"{names[groups[phrase]]!r} share a vector; remove one, or give it other "
                    "phrases"
                )

    def _measure_background(self, chunks: Callable[[], Iterable[Vectors]]) -> None:
        """Keep mean and spread of the training rows' similarities."""
        rows, total = 0, np.zeros(len(self.names_))
        for chunk in chunks():
            rows, total = rows + len(chunk), total + self._similarities(chunk).sum(axis=0)
        mean, squares = total / rows, np.zeros(len(self.names_))
        for chunk in chunks():
            squares += np.square(self._similarities(chunk) - mean).sum(axis=0)
        spread = np.sqrt(squares / rows)
        self.background_mean_ = mean
        self.background_scale_ = np.where(spread > 1e-6, spread, 1.0)

    def _similarities(self, X: Vectors) -> NDArray[np.float64]:
        cosines = np.clip(product(unit_rows(X), self.anchors_.T), -1.0, 1.0)
        if len(self.names_) == len(self.anchors_):
            return cosines
        starts = np.flatnonzero(np.diff(self.groups_, prepend=-1))
        best: NDArray[np.float64] = np.maximum.reduceat(cosines, starts, axis=1)
        return best

    def _transform(self, X: Vectors) -> NDArray[np.float64]:
        return (self._similarities(X) - self.background_mean_) / self.background_scale_

    def _names(self) -> list[str]:
        return [f"similarity_{name}" for name in self.names_]


def _with_direction(units: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave rows of zeros out: none of them can be an anchor."""
    kept = units.any(axis=1)
    return units if kept.all() else units[kept]
