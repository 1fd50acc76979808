import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.evaluation import run
from embfeast.evaluation.budget import Budget, Spent, parse_budget
from embfeast.evaluation.run import score_sets
from embfeast.evaluation.sets import RAW, FeatureSet
from embfeast.evaluation.task import prepare


@given(
    st.integers(1, 20_000),
    st.integers(1, 20_000),
    st.floats(0.001, 500),
    st.floats(0.001, 500),
    st.floats(-10, 1_000),
)
@settings(deadline=None)
def test_more_rows_are_taken_only_where_their_time_is_there(rows, more, once, each, left):
    all_rows = rows + more
    budget = Budget(left, clock=lambda: 0.0)
    following = budget.next_rows(rows, all_rows, 10, Spent(once, each))
    assert 1 <= following <= all_rows
    if following > rows:
        assert (once + 10 * each) * following / rows <= left
    if following == rows and rows > 200:
        assert 9 * each <= max(left, 0)


def test_without_a_budget_all_rows_are_taken():
    assert Budget(None).next_rows(500, 900, 10, Spent(1e9, 1e9)) == 500
    assert Budget(None).left == float("inf")


@pytest.mark.parametrize("given", ["5", "m", "0m", "-1m", "5 weeks"])
def test_a_budget_that_is_none_is_said(given):
    with pytest.raises(EmbfeastError, match="say 90s, 5m, 1h or none"):
        parse_budget(given)


@pytest.mark.slow
def test_a_budget_that_ends_leaves_whole_folds_and_says_so(tickets, recipe, cached, monkeypatch):
    clock = iter(range(0, 10**6, 20))  # a clock on which every step takes twenty seconds
    monkeypatch.setattr(run, "Budget", lambda seconds: Budget(seconds, lambda: next(clock)))
    texts, labels = tickets[0][:200], ["a", "b"] * 100
    task = prepare(texts, labels, split="stratified")
    lines: list[str] = []
    only = [FeatureSet(RAW, (RAW,))]
    done, scores = score_sets(
        task, recipe, only, ("linear",), encoder=cached, budget=300, tell=lines.append
    )
    assert 2 <= len(done.folds) < 10
    assert {len(folds) for folds in scores.predicted.values()} == {len(done.folds)}
    assert done.notes[-1] == f"the budget ended after {len(done.folds)} of 10 folds"
    assert "10 stratified folds, 200 texts; budget 5 min" in lines[0]
    assert any("left" in line for line in lines)


def test_a_sample_for_the_budgets_sake_says_its_size_and_keeps_two_of_each_class():
    labels = ["often"] * 900 + ["rare"] * 2
    task = prepare([f"text {i}" for i in range(902)], labels, split="stratified", most_texts=600)
    assert len(task.texts) <= 600
    assert np.unique(task.labels, return_counts=True)[1].min() >= 2
    assert f"a sample of {len(task.texts)} of 902 texts" in task.notes[0]
