from decimal import Decimal

import numpy as np
import pytest

from embfeast import EmbfeastError
from embfeast.evaluation.labels import is_uneven, read_labels


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ([1, 2, 3, 4, 5], "ordered"),
        ([1.0, 5.0, 3.0], "ordered"),  # pandas makes floats of whole numbers with gaps
        ([0, 1] * 5, "classes"),
        ([True, False], "classes"),
        (["1", "2", "3"], "classes"),
        ([*range(77)], "classes"),  # codes without a gap
        ([7 * i for i in range(40)], "numbers"),
        ([11, 250, 3_000], "classes"),
        ([0.5, 1.0, 1.5], "numbers"),
        ([Decimal("0.5"), Decimal("2")], "numbers"),
        (np.array([3, 1, 2], dtype=np.int16).tolist(), "ordered"),
    ],
)
def test_a_label_is_taken_for_what_it_looks_like(given, kind):
    assert read_labels(given, None)[1] == kind


def test_what_a_label_is_may_be_said():
    labels, kind, why = read_labels([1, 2, 3.0], "classes")
    assert (labels.tolist(), kind, why) == (["1", "2", "3"], "classes", "")
    assert read_labels([0, 1], "numbers")[0].dtype == np.float64


@pytest.mark.parametrize(
    ("given", "task", "message"),
    [
        (["low", "high"], "ordered", "'low' is no number"),
        ([1.0, float("inf")], None, "infinite"),
        ([1, 2], "ranks", "choose from classes, ordered, numbers"),
    ],
)
def test_labels_that_cannot_be_taken_so_are_said(given, task, message):
    with pytest.raises(EmbfeastError, match=message):
        read_labels(given, task)


def test_a_class_with_three_quarters_of_the_rows_makes_them_uneven():
    assert is_uneven(np.array(["a"] * 73 + ["b"] * 27))
    assert not is_uneven(np.array(["a"] * 60 + ["b"] * 40))
