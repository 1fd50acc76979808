"""Trick 3: which cluster a text lies in, how far from each, and how unlike all of them."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from embfeast.tricks.parts.clustering import (
    NOISE,
    RULES,
    by_density,
    choose_count,
    cluster_in_memory,
    cluster_in_passes,
    match_numbers,
)
from embfeast.tricks.proposal import ProposalSample, Proposed, Setting
from embfeast.tricks.trick import Vectors, VectorTrick, check_choice, check_number, chosen

Method = Literal["kmeans", "dbscan", "hdbscan"]
Output = Literal["label", "distances", "membership", "margin", "novelty"]
METHODS = ("kmeans", "dbscan", "hdbscan")
OUTPUTS = ("label", "distances", "membership", "margin", "novelty")
CHUNK = 1_024
# Points of the training rows' distances that are kept for the novelty score.
NOVELTY_POINTS = 1_001


class ClusterFeatures(VectorTrick):
    """Label of the nearest cluster, distance to each centroid, and scores made of them.

    Parameters
    ----------
    n_clusters : int or {"elbow", "silhouette"}, default 8
        For KMeans. A rule tries 2 to `max_clusters` and keeps the curve.
    method : {"kmeans", "dbscan", "hdbscan"}, default "kmeans"
        KMeans works in mini-batches from 50,000 rows on.
    outputs : sequence of {"label", "distances", "membership", "margin", "novelty"}
        In order; label and distances by default. Membership: a share for each cluster, adding up
        to 1. Margin: how much nearer the nearest centroid is than the second. Novelty: the share
        of training rows that lie nearer to their centroid than this row does, from 0 to 1.
    max_clusters : int, default 20
        The most that a rule tries.
    eps : float, default 0.5
        For DBSCAN: the distance within which points are neighbours. On unit vectors 0.5 is a
        cosine of 0.875.
    min_samples : int, default 5
        For DBSCAN and HDBSCAN: the neighbours that make a core point.
    min_cluster_size : int, default 10
        For HDBSCAN.
    random_state : int, default 0

    Attributes
    ----------
    centroids_ : ndarray of shape (clusters, dim), float32
        In falling order of size at the first fit.
    numbers_ : ndarray of shape (clusters,), int64
        The number of each cluster: 0, 1, … at the first fit, kept by `fit(previous=…)`.
    sizes_ : ndarray of shape (clusters,), int64
        Training rows a cluster.
    core_points_ : ndarray of shape (core points, dim), float32
        DBSCAN's and HDBSCAN's; empty for KMeans.
    core_labels_ : ndarray of shape (core points,), int64
        Position of each core point's cluster among the centroids.
    reach_ : ndarray of shape (clusters,), float64
        How far from a core point a new point still belongs to its cluster; empty for KMeans.
    width_ : float
        Root mean square distance of training rows to their centroid: the scale of membership.
    novelty_points_ : ndarray of shape (1001,), float64
        Quantiles of the training rows' distances to the nearest centroid.
    curve_ : dict
        For a rule: the numbers tried and the score of each.

    Notes
    -----
    Every row, training or new, is labelled by one rule: KMeans by the nearest centroid; DBSCAN by
    the nearest core point within `eps`; HDBSCAN by the nearest point of a cluster within that
    cluster's reach, the largest distance at which one of its points has `min_samples` neighbours
    in it; -1 (noise) where there is none. A row has the same bits alone and in any batch.

    Membership is softmax(−d²/2w²) with w the clusters' typical width. With one cluster it is 1 and
    the margin is 0.

    `fit_chunks` (KMeans with a given number) starts from clusters of the first 20,000 rows and
    improves them in passes; for well separated clusters its centroids agree with `fit` to 1e-4.

    References
    ----------
    .. [1] Ester, M. et al., "A density-based algorithm for discovering clusters", KDD 1996.
    .. [2] Campello, R. et al., "Density-based clustering based on hierarchical density estimates",
       PAKDD 2013.
    .. [3] Rousseeuw, P. J., "Silhouettes", J. Comput. Appl. Math. 20, 1987.
    .. [4] Satopää, V. et al., "Finding a kneedle in a haystack", ICDCS Workshops 2011.
    .. [5] Kuhn, H. W., "The Hungarian method for the assignment problem", 1955: used to match a
       refit's clusters to the previous ones.

    Examples
    --------
    >>> X = np.array([[0, 0], [0, 1], [9, 9], [9, 8], [0, 2]], dtype=np.float32)
    >>> clusters = ClusterFeatures(2).fit(X)
    >>> clusters.get_feature_names_out().tolist()
    ['cluster', 'distance_00', 'distance_01']
    >>> clusters.transform(X)[:, 0].tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0]
    """

    purpose = "the text's cluster and its distances to the centroids"
    scalars = True
    whole_numbers = ("cluster",)
    section = "clusters"
    centroids_: NDArray[np.float32]
    numbers_: NDArray[np.int64]

    @classmethod
    def propose(cls, sample: ProposalSample) -> Proposed:
        """Propose the number of clusters that was found in the sample."""
        count, why = sample.clusters
        return Proposed(
            "cluster",
            "The nearest of some groups, and the distance to each: for people, trees, monitoring.",
            [Setting("n_clusters", count, why)],
        )

    def __init__(
        self,
        n_clusters: int | Literal["elbow", "silhouette"] = 8,
        *,
        method: Method = "kmeans",
        outputs: tuple[Output, ...] = ("label", "distances"),
        max_clusters: int = 20,
        eps: float = 0.5,
        min_samples: int = 5,
        min_cluster_size: int = 10,
        random_state: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.method = method
        self.outputs = outputs
        self.max_clusters = max_clusters
        self.eps = eps
        self.min_samples = min_samples
        self.min_cluster_size = min_cluster_size
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, previous: "ClusterFeatures | None" = None) -> Self:
        """Fit on vectors.

        Parameters
        ----------
        X : array-like of shape (n, dim)
        y : ignored
        previous : ClusterFeatures, optional
            An earlier fit: a cluster that lies where one of its clusters lay keeps that one's
            number, a new one gets a number never used before.

        Returns
        -------
        self
        """
        super().fit(X, y)
        if previous is not None:
            self.numbers_ = match_numbers(self.centroids_, previous.centroids_, previous.numbers_)
        return self

    def _fit(self, X: Vectors, y: Any) -> None:
        self._check_settings()
        self.curve_: dict[str, list[float]] = {}
        core = np.empty(0, dtype=np.int64)
        if self.method == "kmeans":
            labels = self._by_means(X)
        else:
            labels, core = by_density(
                X, self.method, self.eps, int(self.min_samples), int(self.min_cluster_size)
            )
        numbers, sizes = np.unique(labels[labels != NOISE], return_counts=True)
        order = numbers[np.argsort(-sizes, kind="stable")]
        self.centroids_ = np.array(
            [X[labels == number].mean(axis=0, dtype=np.float64) for number in order],
            dtype=np.float32,
        )
        self.sizes_ = np.sort(sizes)[::-1].astype(np.int64)
        self.numbers_ = np.arange(len(order), dtype=np.int64)
        position = {old: new for new, old in enumerate(order.tolist())}
        self.core_points_ = X[core]
        self.core_labels_ = np.array([position[n] for n in labels[core].tolist()], dtype=np.int64)
        self.reach_ = self._reaches()
        self._measure([X])

    def _fit_chunks(self, chunks: Callable[[], Iterable[Vectors]]) -> None:
        self._check_settings()
        if self.method != "kmeans" or isinstance(self.n_clusters, str):
            raise ValueError(
                "ClusterFeatures: only KMeans with a given number of clusters is fitted in "
                "chunks; fit on a sample of the rows"
            )
        self.curve_ = {}
        self.centroids_, self.sizes_ = cluster_in_passes(
            chunks, int(self.n_clusters), self.random_state, of=self, setting="n_clusters"
        )
        self.numbers_ = np.arange(len(self.centroids_), dtype=np.int64)
        self.core_points_ = np.empty((0, self.centroids_.shape[1]), dtype=np.float32)
        self.core_labels_ = np.empty(0, dtype=np.int64)
        self.reach_ = np.empty(0)
        self._measure(chunks())

    def _measure(self, chunks: Iterable[Vectors]) -> None:
        """Keep how far training rows lie from their centroids."""
        near = np.concatenate([self._distances(rows).min(axis=1) for rows in chunks])
        self.width_ = float(np.sqrt(np.square(near).mean()))
        self.novelty_points_ = np.quantile(near, np.linspace(0, 1, NOVELTY_POINTS))

    def _check_settings(self) -> None:
        check_choice(self, "method", METHODS)
        chosen(self, "outputs", OUTPUTS)
        check_number(self, "eps", np.nextafter(0, 1))
        check_number(self, "min_samples", 1)
        check_number(self, "min_cluster_size", 2)
        check_number(self, "max_clusters", 2)
        if not isinstance(self.n_clusters, str):
            check_number(self, "n_clusters", 1)
        elif self.n_clusters not in RULES:
            check_choice(self, "n_clusters", ("a number", *RULES))

    def _by_means(self, X: Vectors) -> NDArray[np.int64]:
        if isinstance(self.n_clusters, str):
            count, self.curve_ = choose_count(
                X, self.n_clusters, int(self.max_clusters), self.random_state
            )
            return cluster_in_memory(X, count, self.random_state, of=self)
        return cluster_in_memory(X, int(self.n_clusters), self.random_state, of=self)

    def _reaches(self) -> NDArray[np.float64]:
        """Return how far each density cluster reaches beyond its core points."""
        if self.method == "kmeans":
            return np.empty(0)
        if self.method == "dbscan":
            return np.full(len(self.centroids_), float(self.eps))
        reaches = np.zeros(len(self.centroids_))
        for cluster in range(len(reaches)):
            members = self.core_points_[self.core_labels_ == cluster]
            neighbour = min(int(self.min_samples), len(members) - 1)
            for start in range(0, len(members), CHUNK):
                distances = np.sort(cdist(members[start : start + CHUNK], members), axis=1)
                reaches[cluster] = max(reaches[cluster], distances[:, neighbour].max())
        return reaches

    def groups(self, X: Any) -> NDArray[np.int64]:
        """Return each row's cluster, whatever the outputs; -1 where it lies in none."""
        X = np.asarray(X, dtype=np.float32)
        return self._labels(X, self._distances(X))

    def _distances(self, X: Vectors) -> NDArray[np.float64]:
        # cdist computes each pair by itself, so a row's bits do not depend on its neighbours.
        found: NDArray[np.float64] = cdist(X, self.centroids_)
        return found

    def _transform(self, X: Vectors) -> NDArray[np.float64]:
        distances = self._distances(X)
        made: dict[str, Callable[[], NDArray[Any]]] = {
            "label": lambda: self._labels(X, distances)[:, None],
            "distances": lambda: distances,
            "membership": lambda: self._membership(distances),
            "margin": lambda: self._margin(distances)[:, None],
            "novelty": lambda: self._novelty(distances)[:, None],
        }
        return np.hstack([made[output]() for output in chosen(self, "outputs", OUTPUTS)])

    def _labels(self, X: Vectors, distances: NDArray[np.float64]) -> NDArray[np.int64]:
        if not len(self.core_points_):
            return np.asarray(self.numbers_[distances.argmin(axis=1)])
        labels = np.full(len(X), NOISE, dtype=np.int64)
        for start in range(0, len(X), CHUNK):
            to_core = cdist(X[start : start + CHUNK], self.core_points_)
            beyond = to_core > self.reach_[self.core_labels_]
            to_core[beyond] = np.inf
            nearest = to_core.argmin(axis=1)
            near = np.isfinite(to_core[np.arange(len(nearest)), nearest])
            found = self.numbers_[self.core_labels_[nearest]]
            labels[start : start + CHUNK] = np.where(near, found, NOISE)
        return labels

    def _membership(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        scale = 2 * self.width_**2 if self.width_ > 0 else 1.0
        closeness = -np.square(distances) / scale
        shares = np.exp(closeness - closeness.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def _margin(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        if distances.shape[1] < 2:
            return np.zeros(len(distances))
        nearest = np.sort(distances, axis=1)
        return np.asarray(nearest[:, 1] - nearest[:, 0])

    def _novelty(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        below = np.searchsorted(self.novelty_points_, distances.min(axis=1), side="left")
        return np.asarray(np.minimum(below / (NOVELTY_POINTS - 1), 1.0))

    def _names(self) -> list[str]:
        numbers = [f"{number:02d}" for number in self.numbers_]
        names = {
            "label": ["cluster"],
            "distances": [f"distance_{number}" for number in numbers],
            "membership": [f"membership_{number}" for number in numbers],
            "margin": ["cluster_margin"],
            "novelty": ["novelty"],
        }
        return [name for output in chosen(self, "outputs", OUTPUTS) for name in names[output]]
