import numpy as np
import pytest

from embfeast.tricks.parts.selection import best_columns


@pytest.fixture
def columns():
    return np.random.default_rng(0).normal(size=(500, 12))


@pytest.mark.parametrize("criterion", ["mutual_information", "l1"])
def test_the_columns_that_make_the_label_are_found(columns, criterion):
    y = np.array(["low", "middle", "high"])[np.digitize(columns[:, 4] + columns[:, 7], [-0.5, 0.5])]
    assert best_columns(columns, y, criterion, 2, seed=0).tolist() == [4, 7]


def test_rows_without_a_label_and_classes_seen_once_are_left_out(columns):
    y = np.where(columns[:, 3] > 0, "a", "b").astype(object)
    y[:100] = None
    y[100] = "seen once"
    assert best_columns(columns, y, "l1", 1, seed=0).tolist() == [3]


def test_more_rows_than_are_looked_at_change_only_the_sample():
    many = np.random.default_rng(0).normal(size=(5_000, 6))
    y = (many[:, 2] > 0).astype(int)
    assert best_columns(many, y, "mutual_information", 1, seed=0).tolist() == [2]
    assert (
        best_columns(many, y, "l1", "cv", seed=0).tolist()
        == best_columns(many, y, "l1", "cv", seed=0).tolist()
    )


def test_more_columns_asked_than_there_are_gives_all(columns):
    assert len(best_columns(columns, None, "variance", 99, seed=0)) == 12
