"""How clusters are found: in memory, in passes over chunks, by density; and their numbers kept."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import DBSCAN, HDBSCAN, KMeans, MiniBatchKMeans
from sklearn.metrics import silhouette_score

from embfeast.tricks.parts.component_count import farthest_below_chord
from embfeast.tricks.parts.moments import first_rows

RULES = ("elbow", "silhouette")
NOISE = -1
# From this many rows on KMeans works in mini-batches: about the same clusters in a tenth of the
# time.
MINI_BATCH_ROWS = 50_000
# The silhouette compares all pairs of rows; beyond this many, a sample says the same.
SILHOUETTE_ROWS = 2_000
# Passes over chunks start from the clusters of this many rows.
START_ROWS = 20_000
MOST_PASSES = 50

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]


def cluster_in_memory(X: Rows, count: int, seed: int, *, of: object) -> Labels:
    """Return each row's KMeans cluster; ValueError where distinct rows are fewer than clusters."""
    check_distinct(X, count, of=of, setting="n_clusters")
    if len(X) >= MINI_BATCH_ROWS:
        means: Any = MiniBatchKMeans(count, n_init=4, batch_size=4_096, random_state=seed)
    else:
        means = KMeans(count, n_init=4, random_state=seed)
    labels: Labels = means.fit_predict(X.astype(np.float64)).astype(np.int64)
    return labels


def check_distinct(X: NDArray[Any], count: int, *, of: object, setting: str) -> None:
    """Raise ValueError, naming trick and setting, where distinct rows are fewer than clusters."""
    # Enough distinct rows among the first ones settles it without looking at all.
    for part in (X[: 10 * count], X):
        distinct = len(np.unique(part, axis=0))
        if distinct >= count:
            return
    raise ValueError(
        f"{type(of).__name__}: {distinct} distinct texts cannot form {count} clusters "
        f"(n_features = {X.shape[1]}); lower {setting} or fit on more texts"
    )


def cluster_in_passes(
    chunks: Callable[[], Iterable[Rows]], count: int, seed: int, *, of: object, setting: str
) -> tuple[Rows, Labels]:
    """Find KMeans clusters of more rows than memory holds (Lloyd's algorithm).

    Returns centroids in falling order of size, and the sizes. The trick and the setting that gives
    the count are named in errors.
    """
    start = first_rows(chunks, START_ROWS)
    check_distinct(start, count, of=of, setting=setting)
    means = KMeans(count, n_init=4, random_state=seed).fit(start.astype(np.float64))
    centroids = means.cluster_centers_
    # The move below which KMeans of scikit-learn stops too.
    enough = 1e-4 * float(start.var(axis=0, dtype=np.float64).mean())
    sizes = np.zeros(count, dtype=np.int64)
    for _ in range(MOST_PASSES):
        sums = np.zeros_like(centroids)
        sizes = np.zeros(count, dtype=np.int64)
        for rows in chunks():
            labels = cdist(rows, centroids).argmin(axis=1)
            np.add.at(sums, labels, rows.astype(np.float64))
            sizes += np.bincount(labels, minlength=count)
        moved = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centroids)
        shift = float(np.square(moved - centroids).sum())
        centroids = moved
        if shift <= enough:
            break
    order = np.argsort(-sizes, kind="stable")
    return centroids[order].astype(np.float32), sizes[order]


def choose_count(X: Rows, rule: str, most: int, seed: int) -> tuple[int, dict[str, list[float]]]:
    """Choose a number of clusters by elbow or silhouette; return it with the curve."""
    curves = count_curves(X, (rule,), numbers_to_try(X, most), seed)
    return best_count(curves, rule), curves


def numbers_to_try(X: Rows, most: int) -> range:
    """Return the numbers of clusters from 2 on; ValueError where the rows are too few or alike."""
    most = min(most, len(np.unique(X[:10_000], axis=0)) - 1)
    if most < 2:
        raise ValueError(
            f"ClusterFeatures: {len(X)} texts are too few, or too alike, to choose a number of "
            "clusters; fit on more, or give n_clusters"
        )
    return range(2, most + 1)


def count_curves(
    X: NDArray[Any],
    rules: Sequence[str],
    numbers: Iterable[int],
    seed: int,
    *,
    starts: int = 2,
    progress: Callable[[int], Any] = lambda done: None,
) -> dict[str, list[float]]:
    """Score numbers of clusters by the rules, each from so many starts; `progress` after each.

    Returns the numbers under ``"clusters"`` and each score under its rule's name.
    """
    curves: dict[str, list[float]] = {"clusters": [], **{rule: [] for rule in rules}}
    kind: Any = MiniBatchKMeans if len(X) >= MINI_BATCH_ROWS else KMeans
    for count in numbers:
        run = kind(int(count), n_init=starts, random_state=seed).fit(X)
        curves["clusters"].append(float(count))
        if "elbow" in rules:
            curves["elbow"].append(float(run.inertia_))
        if "silhouette" in rules:
            rows = min(len(X), SILHOUETTE_ROWS)
            score = silhouette_score(X, run.labels_, sample_size=rows, random_state=seed)
            curves["silhouette"].append(float(score))
        progress(1)
    return curves


def best_count(curves: dict[str, list[float]], rule: str) -> int:
    """Return the number of clusters that a rule takes from its curve.

    Examples
    --------
    >>> curves = {"clusters": [2.0, 3.0, 4.0], "silhouette": [0.1, 0.3, 0.2]}
    >>> best_count(curves, "silhouette")
    3
    """
    scores = np.array(curves[rule])
    best = farthest_below_chord(scores) if rule == "elbow" else int(np.argmax(scores))
    return int(curves["clusters"][best])


def by_density(
    X: Rows, method: str, eps: float, min_samples: int, min_cluster_size: int
) -> tuple[Labels, Labels]:
    """Find clusters by DBSCAN or HDBSCAN; ValueError where there is none.

    Returns labels (-1 for noise) and the numbers of the rows that new points are compared with:
    DBSCAN's core points, HDBSCAN's members.
    """
    if method == "dbscan":
        clusters: Any = DBSCAN(eps=eps, min_samples=min_samples).fit(X)
        core = clusters.core_sample_indices_
        advice = f"eps={eps} and min_samples={min_samples}; raise eps or lower min_samples"
    else:
        if len(X) < max(min_samples, min_cluster_size):
            raise ValueError(
                f"ClusterFeatures: {len(X)} texts are fewer than HDBSCAN's min_samples="
                f"{min_samples} or min_cluster_size={min_cluster_size}; lower them or fit on more"
            )
        clusters = HDBSCAN(
            min_cluster_size=min_cluster_size, min_samples=min_samples, copy=True
        ).fit(X.astype(np.float64))
        core = np.flatnonzero(clusters.labels_ != NOISE)
        advice = (
            f"min_cluster_size={min_cluster_size} and min_samples={min_samples}; lower them, or "
            "reduce the dimensions first"
        )
    if not (clusters.labels_ != NOISE).any():
        raise ValueError(f"ClusterFeatures: {method} finds no cluster with {advice}")
    return clusters.labels_.astype(np.int64), core.astype(np.int64)


def match_numbers(centroids: Rows, previous: Rows, numbers: Labels) -> Labels:
    """Give each cluster the number of the previous one that lies where it lies.

    The pairing with the smallest sum of distances is taken; a pair farther apart than the previous
    cluster is from its nearest neighbour is no match.

    Examples
    --------
    >>> before = np.array([[0.0, 0.0], [5.0, 5.0]])
    >>> after = np.array([[5.1, 5.0], [-9.0, 9.0], [0.0, 0.1]])
    >>> match_numbers(after, before, np.array([0, 1])).tolist()
    [1, 2, 0]
    """
    if previous.shape[1] != centroids.shape[1]:
        raise ValueError(
            f"the previous fit's centroids are {previous.shape[1]} wide, these are "
            f"{centroids.shape[1]}"
        )
    apart = cdist(previous, previous)
    np.fill_diagonal(apart, np.inf)
    limits = apart.min(axis=1)
    distances = cdist(centroids, previous)
    matched = np.full(len(centroids), NOISE, dtype=np.int64)
    for new, old in zip(*linear_sum_assignment(distances), strict=True):
        if distances[new, old] < limits[old]:
            matched[new] = numbers[old]
    unused = int(numbers.max()) + 1
    fresh = matched == NOISE
    matched[fresh] = np.arange(unused, unused + fresh.sum())
    return matched
