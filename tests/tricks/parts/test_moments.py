import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast.tricks.parts.moments import axes_of, axes_of_rows, moments, principal_axes


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
    axes, values = axes_of(rows.T @ rows)
    again = axes_of_rows(rows)
    np.testing.assert_allclose(np.square(rows @ again.T).sum(axis=0), values, atol=1e-9)
    np.testing.assert_allclose(axes[:50], again[:50], atol=1e-7)


def test_few_and_many_rows_have_the_same_principal_axes(X):
    few = X[:, :50].astype(np.float64)
    centred = few - few.mean(axis=0)
    np.testing.assert_allclose(principal_axes(few)[:10], axes_of_rows(centred)[:10], atol=1e-7)
    assert (principal_axes(few[:60]) == axes_of_rows(few[:60] - few[:60].mean(axis=0))).all()
