import numpy as np
import pytest

from embfeast.tricks import ClusterFeatures


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(3)
    centres = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])
    return np.vstack(
        [
            c + rng.normal(scale=0.4, size=(n, 2))
            for c, n in zip(centres, (60, 50, 40, 30), strict=True)
        ]
    ).astype(np.float32)


def test_label_is_the_nearest_centroid_and_distances_are_euclidean(X):
    clusters = ClusterFeatures(5).fit(X)
    made = clusters.transform(X)
    expected = np.linalg.norm(X[:, None] - clusters.centroids_, axis=2)
    np.testing.assert_allclose(made[:, 1:], expected, atol=1e-5)
    assert np.array_equal(made[:, 0], made[:, 1:].argmin(axis=1))


def test_clusters_are_numbered_by_size(blobs):
    clusters = ClusterFeatures(4).fit(blobs)
    assert clusters.sizes_.tolist() == [60, 50, 40, 30]
    assert clusters.transform([[0, 0], [10, 10]])[:, 0].tolist() == [0, 3]


@pytest.mark.parametrize("rule", ["elbow", "silhouette"])
def test_a_rule_finds_the_true_number_and_keeps_its_curve(blobs, rule):
    clusters = ClusterFeatures(rule, max_clusters=9).fit(blobs)
    assert len(clusters.centroids_) == 4
    assert clusters.curve_["clusters"] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert len(clusters.curve_[rule]) == 8


def test_dbscan_labels_new_points_by_the_nearest_core_point_within_eps(blobs):
    clusters = ClusterFeatures(method="dbscan", eps=1.0, min_samples=4).fit(blobs)
    made = clusters.transform([[0, 0], [10, 10], [5, 5]])
    assert made[:, 0].tolist() == [0, 3, -1]
    for point in blobs[::17]:
        distances = np.linalg.norm(clusters.core_points_ - point, axis=1)
        near = distances.min() <= 1.0
        expected = clusters.core_labels_[distances.argmin()] if near else -1
        assert clusters.transform(point[None])[0, 0] == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_clusters": 700}, "600 distinct texts cannot form 700 clusters"),
        ({"n_clusters": "knee"}, "elbow, silhouette"),
        ({"n_clusters": 0}, "at least 1"),
        ({"method": "agglomerative"}, "kmeans, dbscan"),
        ({"method": "dbscan", "eps": 1e-6}, "finds no cluster"),
        ({"method": "dbscan", "eps": 0}, "eps=0 is not valid"),
    ],
)
def test_what_cannot_be_clustered_is_said(X, settings, message):
    with pytest.raises(ValueError, match=message):
        ClusterFeatures(**settings).fit(X)


def test_identical_rows_do_not_form_several_clusters(X):
    with pytest.raises(ValueError, match="1 distinct texts cannot form 8"):
        ClusterFeatures().fit(np.repeat(X[:1], 20, axis=0))
