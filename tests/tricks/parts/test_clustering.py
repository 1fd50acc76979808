import numpy as np
import pytest

from embfeast.tricks import ClusterFeatures
from embfeast.tricks.parts.clustering import cluster_in_passes, match_numbers


@pytest.fixture(scope="module")
def separated():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 16)) * 5
    return (centres[rng.integers(5, size=3_000)] + rng.normal(size=(3_000, 16))).astype(np.float32)


def test_passes_over_chunks_find_the_clusters_of_the_whole(separated):
    whole = ClusterFeatures(5).fit(separated)
    centroids, sizes = cluster_in_passes(
        lambda: np.array_split(separated, 7), 5, 0, of=whole, setting="n_clusters"
    )
    np.testing.assert_allclose(centroids, whole.centroids_, atol=1e-4)
    assert sizes.tolist() == whole.sizes_.tolist()


def test_many_rows_are_clustered_in_mini_batches_to_about_the_same_centroids(
    separated, monkeypatch
):
    whole = ClusterFeatures(5).fit(separated)
    monkeypatch.setattr("embfeast.tricks.parts.clustering.MINI_BATCH_ROWS", 1_000)
    batches = ClusterFeatures(5).fit(separated)
    np.testing.assert_allclose(batches.centroids_, whole.centroids_, atol=0.2)


def test_a_cluster_that_moved_beyond_its_neighbours_is_a_new_one():
    before = np.array([[0.0], [1.0], [100.0]])
    after = np.array([[0.1], [50.0], [100.2]])
    assert match_numbers(after, before, np.array([4, 7, 2])).tolist() == [4, 8, 2]


def test_fits_of_different_width_cannot_be_matched():
    with pytest.raises(ValueError, match="2 wide, these are 3"):
        match_numbers(np.zeros((1, 3)), np.zeros((1, 2)), np.array([0]))
