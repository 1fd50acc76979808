"""What can be said of a window of vectors beside earlier ones: novelty, drift, clusters."""

from typing import Any

import numpy as np
from scipy.stats import norm, rankdata
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

CLUSTERS = 8
FEWEST = 20  # vectors a side, below which a classifier learns nothing


def novelty(earlier: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return how far each vector lies from the nearest earlier one.

    The unit is how far earlier ones lie from one another: 1 is what one expects.
    """
    near = NearestNeighbors(n_neighbors=1).fit(earlier)
    among = near.kneighbors()[0].mean()
    distances: np.ndarray = near.kneighbors(window)[0][:, 0] / (among or 1.0)
    return distances


def drift(earlier: np.ndarray, window: np.ndarray) -> dict[str, float] | None:
    """Return how well a classifier tells the window from what was before, as an AUC.

    0.5 is no difference. It learns from half of the rows and tells the other half, so that ``low``
    and ``high`` bound the AUC in 95 of 100 cases. Equal vectors, as of a text that was sent often,
    are one draw, and lie in one half; None where a half has rows of one side alone.
    """
    vectors = np.concatenate([earlier, window])
    is_new = np.repeat([0, 1], [len(earlier), len(window)])
    groups = np.unique(vectors, axis=0, return_inverse=True)[1].ravel()
    learned, told = next(
        GroupShuffleSplit(test_size=0.5, random_state=0).split(vectors, is_new, groups)
    )
    if min(len(set(is_new[learned])), len(set(is_new[told]))) < 2:
        return None
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    scores = classifier.fit(vectors[learned], is_new[learned]).decision_function(vectors[told])
    auc, error = auc_with_error(scores, is_new[told], groups[told])
    reach = norm.ppf(0.975) * error
    return {"auc": auc, "error": error, "low": max(auc - reach, 0.0), "high": min(auc + reach, 1.0)}


def auc_with_error(
    scores: np.ndarray, is_new: np.ndarray, groups: np.ndarray
) -> tuple[float, float]:
    """Return an AUC and its standard error where rows of one group are not independent.

    After Obuchowski (1997); with a row a group it is DeLong's.
    """
    new = is_new == 1
    counts = np.array([(~new).sum(), new.sum()])
    ranks, own = rankdata(scores), np.empty(len(scores))
    for side in (new, ~new):
        own[side] = rankdata(scores[side])
    above = (ranks - own) / np.where(new, counts[0], counts[1])  # share of the others below it
    above[~new] = 1 - above[~new]
    auc = float(above[new].mean())
    sums = [np.bincount(groups[side], above[side] - auc, groups.max() + 1) for side in (~new, new)]
    sizes = [np.count_nonzero(np.bincount(groups[side])) for side in (~new, new)]
    variance = sum(
        size / (size - 1) * (total**2).sum() / count**2
        for total, size, count in zip(sums, sizes, counts, strict=True)
    )
    both = np.count_nonzero(np.bincount(groups))
    variance += 2 * both / (both - 1) * (sums[0] * sums[1]).sum() / counts.prod()
    return auc, float(np.sqrt(max(variance, 0.0)))


def cluster_counts(earlier: np.ndarray, window: np.ndarray) -> list[dict[str, Any]]:
    """Return how many vectors of the window lie in each cluster of the earlier ones."""
    made = KMeans(min(CLUSTERS, len(earlier)), n_init=3, random_state=0).fit(earlier)
    now = np.bincount(made.predict(window), minlength=made.n_clusters)
    before = np.bincount(made.labels_, minlength=made.n_clusters)
    return [
        {"value": f"cluster {number}", "count": int(now[number]), "earlier": int(before[number])}
        for number in np.argsort(-now, kind="stable")
    ]
