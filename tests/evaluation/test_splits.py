import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.evaluation.splits import folds_by_chance, folds_by_time

START = pd.Timestamp("2026-01-01", tz="UTC")


@given(
    st.lists(st.integers(0, 40), min_size=10, max_size=80),
    st.integers(2, 10),
    st.none() | st.integers(4, 30),
)
@settings(max_examples=80, deadline=None)
def test_nothing_is_predicted_from_its_own_time_or_later(days, count, rows):
    times = [START + pd.Timedelta(days=day) for day in days]
    if len(set(days)) < 3:
        return
    # Half the rows come before the first slice, so that a fold there must be.
    folds = folds_by_time([*times, START + pd.Timedelta(days=99)], count, rows)
    days = [*days, 99]
    moments, scored = np.array(days), []
    for train, test in folds:
        assert moments[train].max() < moments[test].min()
        assert rows is None or len(train) <= rows
        scored += test.tolist()
    assert len(scored) == len(set(scored))


def test_by_chance_every_row_is_scored_once():
    labels = np.array(["a"] * 50 + ["b"] * 30)
    folds = folds_by_chance(labels, 10, 0, is_number=False, rows=40)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(80))
    assert all(len(train) == 40 and not set(train) & set(test) for train, test in folds)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: folds_by_time([START] * 20, 5), "20 rows at 1 moments"),
        (lambda: folds_by_time([START, None] * 9, 5), "9 rows have no timestamp"),
        (
            lambda: folds_by_chance(np.array(["a"] * 9 + ["b"]), 3, 0, is_number=False),
            "class 'b' has one row",
        ),
        (lambda: folds_by_chance(np.arange(3.5), 10, 0, is_number=True), "too few for 10 folds"),
    ],
)
def test_what_cannot_be_split_is_said(make, message):
    with pytest.raises(EmbfeastError, match=message):
        make()
