import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.evaluate_pairs import draw_pairs


@given(st.integers(0, 1000))
def test_half_of_the_pairs_have_equal_labels_and_no_text_meets_itself(seed):
    labels = np.array(list("aaabbbccc"))
    rows = np.array([0, 1, 3, 4, 6, 7])
    pairs, same = draw_pairs(labels, rows, 20, np.random.default_rng(seed))
    assert set(pairs.ravel()) <= set(rows)
    assert same.sum() == 10
    assert ((labels[pairs[:, 0]] == labels[pairs[:, 1]]) == same).all()
    assert (pairs[:, 0] != pairs[:, 1]).all()
