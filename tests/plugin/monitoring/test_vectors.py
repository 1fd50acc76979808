import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from embfeast.plugin.monitoring.vectors import auc_with_error, cluster_counts, drift, novelty


@pytest.fixture
def vectors(rng):
    return rng.normal(size=(800, 12)).astype("float32")


def test_a_planted_shift_is_found(vectors):
    told = drift(vectors[:400], vectors[400:] + 0.4)
    assert told["low"] > 0.75
    assert novelty(vectors[:400], vectors[400:] + 2).mean() > 1.5


def test_shuffled_rows_give_no_shift(rng, vectors):
    seen = [drift(*np.split(rng.permutation(vectors), 2)) for _ in range(60)]
    missed = sum(not told["low"] <= 0.5 <= told["high"] for told in seen)
    assert missed <= 8  # of 60; 3 are expected
    assert novelty(*np.split(vectors, 2)).mean() == pytest.approx(1, abs=0.05)


def test_texts_that_were_sent_often_give_no_shift(rng):
    often = np.repeat(rng.normal(size=(80, 12)), 10, axis=0)  # each ten times on one side alone
    told = drift(often[:400], often[400:])
    assert told["low"] <= 0.5 <= told["high"]
    assert told["error"] > 0.05  # of 40 texts; 200 independent rows would give 0.04


def test_a_side_of_one_text_alone_is_no_shift_that_could_be_told(vectors):
    assert drift(vectors[:30], np.repeat(vectors[30:31], 30, axis=0)) is None


def test_the_auc_is_that_of_scikit_learn_with_ties_too(rng):
    scores, is_new = rng.integers(0, 9, 500), rng.integers(0, 2, 500)
    auc, error = auc_with_error(scores.astype(float), is_new, np.arange(500))
    assert auc == pytest.approx(roc_auc_score(is_new, scores))
    assert auc == pytest.approx(
        mannwhitneyu(scores[is_new == 1], scores[is_new == 0]).statistic
        / ((is_new == 1).sum() * (is_new == 0).sum())
    )
    assert 0.015 < error < 0.035


def test_the_error_of_an_auc_covers_what_other_draws_give(rng):
    def draw():
        is_new = np.repeat([0, 1], 150)
        return auc_with_error(rng.normal(size=300) + is_new, is_new, np.arange(300))

    aucs, errors = np.array([draw() for _ in range(300)]).T
    assert np.mean(errors) == pytest.approx(aucs.std(), rel=0.15)


def test_a_cluster_that_grows_is_seen(rng):
    centres = np.eye(8) * 20
    earlier = np.repeat(centres, 30, axis=0) + rng.normal(size=(240, 8))
    window = np.repeat(centres[:1], 50, axis=0) + rng.normal(size=(50, 8))
    counts = cluster_counts(earlier, window)
    assert counts[0]["count"] == 50
    assert [one["earlier"] for one in counts] == [30] * 8
