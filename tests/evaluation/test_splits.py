import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.evaluation.splits import at_most, cut, folds_by_chance, folds_by_time

LABELS = np.array(["a", "b"] * 10)
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
    folds = at_most(folds_by_time([*times, START + pd.Timedelta(days=99)], count), rows, "time", 0)
    days = [*days, 99]
    moments, scored = np.array(days), []
    for train, test in folds:
        assert moments[train].max() < moments[test].min()
        assert rows is None or len(train) <= rows
        scored += test.tolist()
    assert len(scored) == len(set(scored))


def test_by_chance_every_row_is_scored_once():
    labels = np.array(["a"] * 50 + ["b"] * 30)
    folds = at_most(folds_by_chance(labels, 10, 0, by_class=True), 40, "stratified", 0)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(80))
    assert all(len(train) == 40 and not set(train) & set(test) for train, test in folds)


@pytest.mark.parametrize("by_class", [True, False])
def test_the_texts_of_a_group_are_never_on_both_sides(by_class):
    groups = pd.Series([f"customer {i % 12}" for i in range(60)])
    labels = np.array(["a", "b", "b"] * 20)
    split, folds, why = cut(labels, None, 5, 0, by_class=by_class, groups=groups)
    assert (split, why) == ("grouped", "")
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])


@pytest.mark.parametrize(
    ("days", "groups", "split", "why"),
    [
        (range(20), None, "time", ""),
        ([0] * 20, None, "stratified", "all texts are of one moment: folds are stratified"),
        ([0, 1] * 10, range(20), "stratified", "2 moments are too few: folds are stratified"),
        ([0, 1] * 10, [*range(10)] * 2, "grouped", "2 moments are too few: folds are grouped"),
        (None, range(20), "stratified", ""),
    ],
)
def test_the_data_choose_the_split(days, groups, split, why):
    times = None if days is None else pd.Series([START + pd.Timedelta(days=day) for day in days])
    whose = None if groups is None else pd.Series(groups)
    found = cut(LABELS, None, 5, 0, by_class=True, timestamps=times, groups=whose)
    assert found[0] == split
    assert found[2].startswith(why)
    assert len(found[1]) == 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: folds_by_time([START] * 20, 5), "20 rows at 1 moments"),
        (lambda: folds_by_time([START, None] * 9, 5), "9 rows have no timestamp"),
        (
            lambda: folds_by_chance(np.array(["a"] * 9 + ["b"]), 3, 0, by_class=True),
            "class 'b' has one row",
        ),
        (lambda: folds_by_chance(np.arange(3.5), 10, 0, by_class=False), "too few for 10 folds"),
        (lambda: cut(LABELS, "grouped", 3, 0, by_class=True), "needs groups"),
        (
            lambda: cut(LABELS, "grouped", 3, 0, by_class=True, groups=pd.Series(["x", "y"] * 10)),
            "2 groups are too few for 3 folds",
        ),
    ],
)
def test_what_cannot_be_split_is_said(make, message):
    with pytest.raises(EmbfeastError, match=message):
        make()
