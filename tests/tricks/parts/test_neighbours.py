import numpy as np

from embfeast.tricks.parts.neighbours import Neighbours, overlap


def test_a_reference_row_gets_its_own_value_and_others_a_mean_by_closeness():
    near = Neighbours(np.array([[0.0], [1.0], [5.0]]), 2)
    values = np.array([[10.0], [20.0], [90.0]])
    made = near.mean_of(values, np.array([[1.0], [0.25], [6.0]]))
    assert made[0] == 20
    np.testing.assert_allclose(made[1], (10 * 3 + 20 * 1) / 4)
    assert 20 < made[2] < 90


def test_a_row_has_the_same_bits_alone_and_in_a_batch(X):
    near = Neighbours(X[:200], 7)
    together = near.mean_of(X[:200, :3], X[200:])
    assert all(
        np.array_equal(near.mean_of(X[:200, :3], X[row : row + 1])[0], together[row - 200])
        for row in (200, 333, 599)
    )


def test_overlap_is_one_for_the_same_rows_and_chance_for_shuffled_ones(X):
    assert overlap(X, X, 10) == 1
    shuffled = np.random.default_rng(0).permutation(X)
    assert overlap(X, shuffled, 10) < 0.1
    assert overlap(X[:1], X[:1], 10) == 1
