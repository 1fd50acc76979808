"""Trick 1: cosine similarity to named concepts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from embfeast.tricks.rowwise import product, unit_rows
from embfeast.tricks.trick import Trick, Vectors, identifier


class AnchorSimilarity(Trick):
    """Cosine similarity to anchors: concepts given as phrases or vectors, or found by clustering.

    Parameters
    ----------
    anchors : dict of str or list of str, int, or array-like of shape (anchors, dim)
        Phrases by concept: several of a concept are averaged as unit vectors. A number: that
        many anchors are found, each the text nearest to a cluster's centre (its medoid). An
        array: the anchors' own vectors.
    names : list of str, optional
        Names of anchors given as an array.
    model : str, default "all-MiniLM-L6-v2"
        Encodes the phrases.
    random_state : int, default 0
        Seed of the clustering that finds anchors.

    Attributes
    ----------
    anchors_ : ndarray of shape (anchors, dim), float32
        Unit vectors.
    names_ : list of str

    See Also
    --------
    ClusterFeatures : Distances to centres that need no names.

    Notes
    -----
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

    def __init__(
        self,
        anchors: dict[str, str | list[str]] | int | NDArray[Any] = 8,
        *,
        names: list[str] | None = None,
        model: str = "all-MiniLM-L6-v2",
        random_state: int = 0,
    ) -> None:
        self.anchors = anchors
        self.names = names
        self.model = model
        self.random_state = random_state

    def _fit(self, X: Vectors) -> None:
        if isinstance(self.anchors, Mapping):
            names, vectors = list(self.anchors), self._encode(self.anchors)
        elif isinstance(self.anchors, int | np.integer):
            vectors = self._find(X, int(self.anchors))
            names = [f"found_{i:02d}" for i in range(len(vectors))]
        else:
            vectors = np.asarray(self.anchors, dtype=np.float64)
            names = list(self.names or [f"anchor_{i:02d}" for i in range(len(vectors))])
        self._check(names, vectors, X.shape[1])
        self.names_ = [identifier(str(name)) for name in names]
        self.anchors_ = unit_rows(vectors).astype(np.float32)

    def _encode(self, anchors: Mapping[str, str | list[str]]) -> NDArray[np.float64]:
        from embfeast.encoding import Encoder  # opens a model, which other kinds of anchor need not

        phrases = {
            name: [said] if isinstance(said, str) else list(said) for name, said in anchors.items()
        }
        if not phrases:
            raise ValueError("AnchorSimilarity: anchors is empty; give at least one concept")
        for name, said in phrases.items():
            if not said or not all(isinstance(p, str) and p.strip() for p in said):
                raise ValueError(f"AnchorSimilarity: anchor {name!r} has no phrase, or a blank one")
        encoder = Encoder(self.model)
        return np.array(
            [encoder.encode(said).mean(axis=0, dtype=np.float64) for said in phrases.values()]
        )

    def _find(self, X: Vectors, count: int) -> NDArray[np.float64]:
        if not 1 <= count <= len(X):
            raise ValueError(
                f"AnchorSimilarity: cannot find {count} anchors in {len(X)} texts; give a number "
                f"from 1 to {len(X)}, or fit on more texts"
            )
        units = unit_rows(X)
        centres = KMeans(count, n_init=4, random_state=self.random_state).fit(units)
        medoids = cdist(centres.cluster_centers_, units).argmin(axis=1)
        found: NDArray[np.float64] = units[np.sort(medoids)]
        return found

    def _check(self, names: list[str], vectors: NDArray[Any], width: int) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise ValueError(
                f"AnchorSimilarity: anchors have shape {vectors.shape}, vectors are {width} wide"
            )
        if not np.isfinite(vectors).all() or not np.abs(vectors).sum(axis=1).all():
            raise ValueError("AnchorSimilarity: an anchor is a zero vector or not finite")
        if len(names) != len(vectors):
            raise ValueError(f"AnchorSimilarity: {len(names)} names for {len(vectors)} anchors")
        short = [identifier(str(name)) for name in names]
        if twice := sorted({name for name in short if short.count(name) > 1 or not name}):
            raise ValueError(
                f"AnchorSimilarity: anchors {twice} have the same name once turned into a feature "
                "name; name them apart"
            )

    def _transform(self, X: Vectors) -> NDArray[np.float64]:
        return np.clip(product(unit_rows(X), self.anchors_.T), -1.0, 1.0)

    def _names(self) -> list[str]:
        return [f"similarity_{name}" for name in self.names_]
