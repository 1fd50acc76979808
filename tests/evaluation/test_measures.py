import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.metrics import balanced_accuracy_score, log_loss, r2_score

from embfeast.evaluation.measures import Predicted, all_measures, predict, row_scores

PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=40)


@given(PAIRS)
@settings(deadline=None)
def test_rows_balanced_by_class_have_scikit_learns_mean(pairs):
    truth, said = (np.array(side) for side in zip(*pairs, strict=True))
    if set(said) - set(truth):
        return  # scikit-learn warns of it
    half = len(truth) // 2
    folds = [Predicted(said[:half]), Predicted(said[half:])]
    found = row_scores("balanced accuracy", folds, [truth[:half], truth[half:]])
    assert np.concatenate(found).mean() == pytest.approx(balanced_accuracy_score(truth, said))


def test_numbers_have_scikit_learns_r2_and_no_rank_correlation_without_a_spread(rng):
    truth, said = rng.normal(size=(2, 50))
    found = row_scores("R²", [Predicted(said)], [truth])
    assert found[0].mean() == pytest.approx(r2_score(truth, said))
    assert all_measures([Predicted(np.zeros(50))], [truth])["rank correlation"] is None


def test_log_loss_is_scikit_learns_and_finite_for_a_class_never_seen():
    model = DummyClassifier(strategy="prior").fit(np.zeros((4, 1)), ["a", "a", "a", "b"])
    truth = np.array(["a", "b"])
    found = all_measures([predict(model, np.zeros((2, 1)), truth, 4)], [truth])
    assert found["log-loss"] == pytest.approx(log_loss(truth, [[0.75, 0.25]] * 2))
    unseen = predict(model, np.zeros((1, 1)), np.array(["c"]), 4)
    assert unseen.log_p == pytest.approx([np.log(1 / 5)])
