import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast.tricks.moments import axes_of, axes_of_rows, moments


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_any_cut_into_chunks_gives_the_moments_of_the_whole(sizes, seed):
    rng = np.random.default_rng(seed)
    chunks = [rng.normal(size=(size, 4)) + 1e6 for size in [*sizes, 3]]
    whole = np.vstack(chunks)
    found = moments(lambda: chunks)
    assert found.rows == len(whole)
    np.testing.assert_allclose(found.mean, whole.mean(axis=0), rtol=1e-12)
    centred = whole - whole.mean(axis=0)
    np.testing.assert_allclose(found.scatter, centred.T @ centred, atol=1e-6)


def test_no_rows_have_no_moments():
    with pytest.raises(ValueError, match="no rows"):
        moments(lambda: [])


def test_both_ways_to_the_axes_agree(X):
    rows = X.astype(np.float64)
    axes, squares = axes_of_rows(rows)
    again, values = axes_of(rows.T @ rows)
    np.testing.assert_allclose(squares, values, atol=1e-9)
    np.testing.assert_allclose(axes[:50], again[:50], atol=1e-7)
