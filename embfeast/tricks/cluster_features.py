"""Trick 3: which cluster a text lies in, and how far from each."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.cluster import DBSCAN, KMeans
from sklearn.metrics import silhouette_score

from embfeast.tricks.trick import Trick, Vectors, check_choice, check_number

METHODS = ("kmeans", "dbscan")
RULES = ("elbow", "silhouette")
NOISE = -1
# The silhouette compares all pairs of rows; beyond this many, a sample says the same.
SILHOUETTE_ROWS = 2_000
CHUNK = 1_024


class ClusterFeatures(Trick):
    """Label of the nearest cluster and the distance to each centroid.

    Parameters
    ----------
    n_clusters : int or {"elbow", "silhouette"}, default 8
        For KMeans. A rule tries 2 to `max_clusters` and keeps the curve.
    method : {"kmeans", "dbscan"}, default "kmeans"
    max_clusters : int, default 20
        The most that a rule tries.
    eps : float, default 0.5
        For DBSCAN: the distance within which points are neighbours. On unit vectors 0.5 is a
        cosine of 0.875.
    min_samples : int, default 5
        For DBSCAN: the neighbours that make a core point.
    random_state : int, default 0

    Attributes
    ----------
    centroids_ : ndarray of shape (clusters, dim), float32
        In falling order of size.
    sizes_ : ndarray of shape (clusters,), int64
        Training rows a cluster.
    core_points_ : ndarray of shape (core points, dim), float32
        DBSCAN's; empty for KMeans.
    core_labels_ : ndarray of shape (core points,), int64
    curve_ : dict
        For a rule: the numbers tried and the score of each.

    Notes
    -----
    KMeans labels a point by its nearest centroid. DBSCAN labels a new point by the nearest core
    point within `eps`, and -1 (noise) where there is none: border points may get another label
    than in training, where the order of visits decides.

    References
    ----------
    .. [1] Ester, M. et al., "A density-based algorithm for discovering clusters", KDD 1996.
    .. [2] Rousseeuw, P. J., "Silhouettes", J. Comput. Appl. Math. 20, 1987.
    .. [3] Satopää, V. et al., "Finding a kneedle in a haystack", ICDCS Workshops 2011.

    Examples
    --------
    >>> X = np.array([[0, 0], [0, 1], [9, 9], [9, 8], [0, 2]], dtype=np.float32)
    >>> clusters = ClusterFeatures(2).fit(X)
    >>> clusters.get_feature_names_out().tolist()
    ['cluster', 'distance_00', 'distance_01']
    >>> clusters.transform(X)[:, 0].tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0]
    """

    def __init__(
        self,
        n_clusters: int | Literal["elbow", "silhouette"] = 8,
        *,
        method: Literal["kmeans", "dbscan"] = "kmeans",
        max_clusters: int = 20,
        eps: float = 0.5,
        min_samples: int = 5,
        random_state: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.method = method
        self.max_clusters = max_clusters
        self.eps = eps
        self.min_samples = min_samples
        self.random_state = random_state

    def _fit(self, X: Vectors) -> None:
        check_choice(self, "method", METHODS)
        self.curve_: dict[str, list[float]] = {}
        core = np.empty(0, dtype=np.int64)
        if self.method == "dbscan":
            labels, core = self._by_density(X)
        else:
            labels = self._by_means(X)
        numbers, sizes = np.unique(labels[labels != NOISE], return_counts=True)
        order = numbers[np.argsort(-sizes, kind="stable")]
        self.sizes_ = np.sort(sizes)[::-1].astype(np.int64)
        self.centroids_ = np.array(
            [X[labels == number].mean(axis=0, dtype=np.float64) for number in order],
            dtype=np.float32,
        )
        new_number = {old: new for new, old in enumerate(order.tolist())}
        self.core_points_ = X[core]
        self.core_labels_ = np.array([new_number[n] for n in labels[core].tolist()], dtype=np.int64)

    def _by_means(self, X: Vectors) -> NDArray[np.int64]:
        if self.n_clusters in RULES:
            return self._means(X, self._choose(X))
        if isinstance(self.n_clusters, str):
            check_choice(self, "n_clusters", ("a number", *RULES))
        check_number(self, "n_clusters", 1)
        count = int(self.n_clusters)
        distinct = len(np.unique(X, axis=0)) if len(X) < 10 * count else len(X)
        if distinct < count:
            raise ValueError(
                f"ClusterFeatures: {distinct} distinct texts cannot form {count} clusters; lower "
                "n_clusters or fit on more texts"
            )
        return self._means(X, count)

    def _means(self, X: Vectors, count: int) -> NDArray[np.int64]:
        means = KMeans(count, n_init=4, random_state=self.random_state)
        labels: NDArray[np.int64] = means.fit_predict(X.astype(np.float64)).astype(np.int64)
        return labels

    def _choose(self, X: Vectors) -> int:
        check_number(self, "max_clusters", 2)
        most = min(int(self.max_clusters), len(X) - 1)
        if most < 2:
            raise ValueError(
                f"ClusterFeatures: {len(X)} texts are too few to choose a number of clusters; "
                "fit on more, or give n_clusters"
            )
        tried = list(range(2, most + 1))
        runs = [KMeans(k, n_init=2, random_state=self.random_state).fit(X) for k in tried]
        if self.n_clusters == "elbow":
            scores = [float(run.inertia_) for run in runs]
            best = _elbow(tried, scores)
        else:
            rows = min(len(X), SILHOUETTE_ROWS)
            scores = [
                float(silhouette_score(X, run.labels_, sample_size=rows, random_state=0))
                for run in runs
            ]
            best = tried[int(np.argmax(scores))]
        self.curve_ = {"clusters": [float(k) for k in tried], str(self.n_clusters): scores}
        return best

    def _by_density(self, X: Vectors) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        check_number(self, "eps", np.nextafter(0, 1))
        check_number(self, "min_samples", 1)
        found = DBSCAN(eps=self.eps, min_samples=int(self.min_samples)).fit(X)
        if not (found.labels_ != NOISE).any():
            raise ValueError(
                f"ClusterFeatures: DBSCAN finds no cluster with eps={self.eps} and "
                f"min_samples={self.min_samples}; raise eps or lower min_samples"
            )
        return found.labels_.astype(np.int64), found.core_sample_indices_

    def _transform(self, X: Vectors) -> NDArray[np.float64]:
        # cdist computes each pair by itself, so a row's bits do not depend on its neighbours.
        distances = cdist(X, self.centroids_)
        labels = distances.argmin(axis=1) if len(self.core_points_) == 0 else self._nearest_core(X)
        return np.column_stack([labels, distances])

    def _nearest_core(self, X: Vectors) -> NDArray[np.int64]:
        labels = np.full(len(X), NOISE, dtype=np.int64)
        for start in range(0, len(X), CHUNK):
            distances = cdist(X[start : start + CHUNK], self.core_points_)
            nearest = distances.argmin(axis=1)
            near = distances[np.arange(len(nearest)), nearest] <= self.eps
            labels[start : start + CHUNK][near] = self.core_labels_[nearest[near]]
        return labels

    def _names(self) -> list[str]:
        return ["cluster", *(f"distance_{i:02d}" for i in range(len(self.centroids_)))]


def _elbow(tried: list[int], inertias: list[float]) -> int:
    """Return the number of clusters farthest below the line from first to last inertia."""
    x = np.linspace(0, 1, len(tried))
    y = np.array(inertias)
    drop = y[0] - y[-1]
    if drop <= 0:
        return tried[0]
    return tried[int(np.argmax((1 - x) - (y - y[-1]) / drop))]
