import numpy as np
import pytest

from embfeast.evaluation.comparison import differences

pytestmark = pytest.mark.slow


def coins(rng, share=0.8, rows=80, folds=10):
    return [(rng.random(rows) < share).astype(float) for _ in range(folds)]


def improved(rng, base, gain):
    return [np.where(rng.random(len(fold)) < gain, 1.0, fold) for fold in base]


def test_a_gain_on_many_rows_helps_and_the_reverse_harms(rng):
    base = coins(rng, rows=200)
    own = improved(rng, base, 0.3)
    found = differences({"own": own}, base)["own"]
    assert found.verdict == "helps"
    assert differences({"base": base}, own)["base"].verdict == "harms"
    assert found.mean == pytest.approx(np.concatenate(own).mean() - np.concatenate(base).mean())


def test_equal_sets_do_not_differ(rng):
    base = coins(rng)
    found = differences({"same": base}, base)["same"]
    assert (found.mean, found.low, found.high, found.verdict) == (0, 0, 0, "no difference")


@pytest.mark.parametrize("sets", [1, 12])
def test_where_nothing_differs_all_sets_together_are_wrong_in_about_one_of_twenty(sets):
    wrong = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        base = coins(rng)
        found = differences({str(i): coins(rng) for i in range(sets)}, base, seed=seed)
        wrong += any(one.verdict != "no difference" for one in found.values())
    assert wrong <= 14  # 6 expected; more than 14 has a chance of 1 in 500


def test_sets_that_move_together_widen_the_interval_less_than_others(rng):
    base = coins(rng)
    own = coins(rng)
    alone = differences({"a": own}, base)["a"]
    copies = differences({str(i): own for i in range(12)}, base)["0"]
    others = differences({"a": own} | {str(i): coins(rng) for i in range(12)}, base)["a"]
    assert copies.low == pytest.approx(alone.low, abs=0.002)
    assert others.low < alone.low - 0.01


def test_folds_that_disagree_widen_the_interval(rng):
    nothing = [np.zeros(100)] * 10
    noise = [0.05 * rng.normal(size=100) for _ in range(10)]
    steady = [0.1 + one for one in noise]
    shaky = [gain + one for gain, one in zip((0.5, -0.3) * 5, noise, strict=True)]
    assert differences({"steady": steady}, nothing)["steady"].verdict == "helps"
    assert differences({"shaky": shaky}, nothing)["shaky"].verdict == "no difference"
