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
        ({"method": "agglomerative"}, "kmeans, dbscan, hdbscan"),
        ({"outputs": ("label", "shape")}, "membership, margin, novelty"),
        ({"method": "hdbscan", "min_cluster_size": 601}, "fewer than HDBSCAN"),
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


def test_hdbscan_labels_training_and_new_rows_by_one_rule(blobs):
    clusters = ClusterFeatures(method="hdbscan", min_cluster_size=10, min_samples=4).fit(blobs)
    assert len(clusters.centroids_) == 4
    made = clusters.transform([[0, 0], [10, 10], [5, 5]])
    assert made[:, 0].tolist() == [0, 3, -1]
    assert (clusters.transform(clusters.core_points_)[:, 0] == clusters.core_labels_).all()


def test_membership_margin_and_novelty_say_what_they_promise(blobs):
    outputs = ("membership", "margin", "novelty")
    clusters = ClusterFeatures(4, outputs=outputs).fit(blobs)
    names = clusters.get_feature_names_out().tolist()
    assert names == [*(f"membership_0{i}" for i in range(4)), "cluster_margin", "novelty"]
    inside, between, far = clusters.transform([[0, 0], [5, 0], [500, 0]])
    assert inside[:4].sum() == pytest.approx(1)
    assert inside[0] > 0.99
    assert between[4] < 0.5 < inside[4]
    assert inside[5] < 0.2 < between[5] == far[5] == 1
    novelty = clusters.transform(blobs)[:, 5]
    assert novelty.mean() == pytest.approx(0.5, abs=0.02)


def test_one_cluster_has_full_membership_and_no_margin(blobs):
    made = ClusterFeatures(1, outputs=("membership", "margin")).fit(blobs).transform(blobs[:3])
    assert made.tolist() == [[1, 0]] * 3


def test_numbers_stay_with_their_clusters_after_a_refit(blobs):
    first = ClusterFeatures(4).fit(blobs)
    rng = np.random.default_rng(1)
    # The smallest cluster is now the largest, and one has gone elsewhere.
    grown = np.vstack([blobs[:60], blobs[60:110], blobs[150:], blobs[150:] + 0.01, blobs[150:]])
    moved = np.vstack([grown, rng.normal([-40, 0], 0.3, size=(25, 2))]).astype(np.float32)
    second = ClusterFeatures(4).fit(moved, previous=first)
    labels = second.transform([[0, 0], [10, 0], [10, 10], [-40, 0]])[:, 0].tolist()
    assert labels == [0, 1, 3, 4]
    names = second.get_feature_names_out().tolist()
    assert set(names) == {"cluster", "distance_00", "distance_01", "distance_03", "distance_04"}


def test_a_choice_of_clusters_needs_rows_that_differ(X):
    with pytest.raises(ValueError, match="too alike"):
        ClusterFeatures("elbow").fit(np.repeat(X[:2], 20, axis=0))
