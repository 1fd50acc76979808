import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embfeast.tricks import PairInteraction

numbers = arrays(np.float32, (7, 12), elements=st.floats(-4, 4, width=32))


def swapped(pairs):
    half = pairs.shape[1] // 2
    return np.hstack([pairs[:, half:], pairs[:, :half]])


def test_a_pair_of_384_gives_1536_columns_by_the_formula(X):
    a, b = X[:300], X[300:]
    made = PairInteraction().fit_transform(np.hstack([a, b]))
    assert made.shape == (300, 1536)
    assert np.array_equal(made, np.hstack([a, b, np.abs(a - b), a * b]))


@given(numbers)
@settings(max_examples=50, deadline=None)
def test_order_free_is_exactly_symmetric(pairs):
    pair = PairInteraction(order_free=True).fit(pairs)
    assert np.array_equal(pair.transform(pairs), pair.transform(swapped(pairs)))


def test_order_free_stays_symmetric_when_reduced(X):
    pairs = np.hstack([X[:300], X[300:]])
    pair = PairInteraction(order_free=True, n_components=16).fit(pairs)
    assert pair.transform(pairs).shape == (300, 16)
    assert np.array_equal(pair.transform(pairs), pair.transform(swapped(pairs)))


def test_parts_come_in_the_order_given():
    made = PairInteraction(("product", "left")).fit_transform([[1, 2, 3, 4]])
    assert made.tolist() == [[3, 8, 1, 2]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parts": ("left", "quotient")}, r"\['quotient'\]; choose from left, right"),
        ({"parts": ()}, "has nothing"),
        ({"n_components": 0}, "at least 1"),
    ],
)
def test_wrong_settings_list_the_valid_ones(settings, message):
    with pytest.raises(ValueError, match=message):
        PairInteraction(**settings).fit(np.ones((3, 4)))


def test_an_odd_width_is_no_pair():
    with pytest.raises(ValueError, match="5 columns, which is odd"):
        PairInteraction().fit(np.ones((3, 5)))


def test_cosine_and_distances_stand_after_the_wide_parts(X):
    a, b = X[:50].astype(np.float64), X[50:100].astype(np.float64)
    pair = PairInteraction(("cosine", "product", "euclidean", "manhattan"))
    made = pair.fit_transform(np.hstack([a, b]))
    np.testing.assert_allclose(made[:, :384], a * b, atol=1e-7)
    np.testing.assert_allclose(made[:, 384], (a * b).sum(axis=1), atol=1e-6)
    np.testing.assert_allclose(made[:, 385], np.linalg.norm(a - b, axis=1), atol=1e-6)
    np.testing.assert_allclose(made[:, 386], np.abs(a - b).sum(axis=1), atol=1e-5)
    assert pair.get_feature_names_out()[-3:].tolist() == [
        "pair_cosine",
        "pair_euclidean",
        "pair_manhattan",
    ]
    assert PairInteraction(("cosine",)).fit_transform(np.zeros((1, 8))).tolist() == [[0]]


@given(numbers)
@settings(max_examples=25, deadline=None)
def test_order_free_is_symmetric_with_cosine_and_distances_too(pairs):
    parts = ("cosine", "euclidean", "manhattan")
    pair = PairInteraction(parts, order_free=True).fit(pairs)
    assert np.array_equal(pair.transform(pairs), pair.transform(swapped(pairs)))


def test_scaled_parts_have_equal_size(X):
    made = PairInteraction(scale=True).fit_transform(np.hstack([X[:300], X[300:]]))
    sizes = [np.sqrt(np.square(made[:, i : i + 384]).mean()) for i in range(0, 1536, 384)]
    np.testing.assert_allclose(sizes, 1, rtol=1e-4)
