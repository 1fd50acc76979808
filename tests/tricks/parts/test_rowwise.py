import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from embfeast.tricks.parts.rowwise import product, unit_rows


@given(
    st.integers(1, 300), st.integers(0, 299), st.sampled_from([1, 7, 64, 384]), st.integers(0, 9)
)
@settings(max_examples=60, deadline=None)
def test_a_row_has_the_same_bits_alone_and_at_any_place_in_any_batch(rows, at, width, seed):
    rng = np.random.default_rng(seed)
    X, W = rng.normal(size=(rows, 384)), rng.normal(size=(384, width))
    at %= rows
    together = product(X, W)
    assert np.array_equal(product(X[at : at + 1], W)[0], together[at])
    moved = rng.permutation(rows)
    assert np.array_equal(product(X[moved], W), together[moved])


@pytest.mark.parametrize("width", [64, 300, 384, 500])
def test_any_number_of_threads_gives_the_same_bits(width, rng):
    X, W = rng.normal(size=(100, 384)), rng.normal(size=(384, width))
    with threadpool_limits(1, user_api="blas"):
        alone = product(X, W)
    with threadpool_limits(4, user_api="blas"):
        assert np.array_equal(product(X, W), alone)


def test_it_is_the_matrix_product(rng):
    X, W = rng.normal(size=(130, 20)), rng.normal(size=(20, 5))
    np.testing.assert_allclose(product(X, W), X @ W, rtol=1e-12, atol=1e-12)


def test_unit_rows_leaves_zero_rows_alone(rng):
    X = np.vstack([rng.normal(size=(3, 4)), np.zeros(4)])
    np.testing.assert_allclose(np.linalg.norm(unit_rows(X), axis=1), [1, 1, 1, 0])
