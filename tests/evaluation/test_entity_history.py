"""What an entity wrote before, on labels that depend on who writes, and on shuffled writers."""

import numpy as np
import pandas as pd
import pytest

from embfeast import EmbfeastError, Recipe
from embfeast.evaluation import evaluate
from embfeast.evaluation.sets import RAW, FeatureSet, blocks_of_entities
from embfeast.evaluation.task import prepare

pytestmark = pytest.mark.slow
RECIPE = Recipe(
    {
        "tricks": {
            "reduced": {"trick": "embedding_reducer", "n_components": 16, "online": False},
            "history": {
                "trick": "entity_history",
                "entity": "customer",
                "input": "reduced",
                "outputs": ["count", "similarity", "means"],
                "windows": [None],
            },
        }
    }
)


@pytest.fixture(scope="module")
def written(tickets, cached):
    """Texts of 120 customers of two kinds, who write three of four texts on their side of an axis.

    The label is the customer's kind, of which each text says a little.
    """
    texts, _ = tickets
    vectors = cached.encode(texts).astype(np.float64)
    vectors -= vectors.mean(axis=0)
    along = vectors @ np.linalg.svd(vectors, full_matrices=False)[2][0]
    rng = np.random.default_rng(4)
    one = (along > np.median(along)) == (rng.random(len(texts)) < 0.75)
    customers = np.where(one, rng.integers(0, 60, len(texts)), rng.integers(60, 120, len(texts)))
    times = pd.Series(pd.date_range("2026-01-01", periods=len(texts), freq="h", tz="UTC"))
    return texts, np.where(one, "one", "other"), customers, times


def compare(written, customers, cached):
    texts, labels, _, times = written
    return evaluate(
        texts, labels, RECIPE, timestamps=times, entities={"customer": customers},
        encoder=cached, sets=[FeatureSet("raw + history", (RAW, "history"))],
    )  # fmt: skip


def test_history_helps_where_the_label_depends_on_who_writes(written, cached):
    found = compare(written, written[2], cached)
    assert found.split == "grouped"
    assert found.row("raw + history").verdict == "helps"


def test_history_helps_with_nothing_when_customers_are_shuffled(written, cached):
    shuffled = np.random.default_rng(0).permutation(written[2])
    found = compare(written, shuffled, cached)
    assert found.row("raw + history").verdict != "helps"


def test_fewer_labels_and_rows_learned_from_leave_the_history_whole(written, cached):
    texts, labels, customers, times = written
    some = pd.Series(labels).where(np.arange(len(labels)) % 3 == 0, None)
    task = prepare(
        [*texts, None], [*some, "one"], timestamps=[*times, times[0]], groups=[*customers, 1],
        split="grouped", folds=3, train_rows=60, entities={"customer": [*customers, 1]},
    )  # fmt: skip
    train, test = task.folds[0]
    fitted = RECIPE.fit(texts, timestamps=times, entities={"customer": customers}, encoder=cached)
    learned, scored = blocks_of_entities(fitted, task.written, train, test)["history"]
    whole = fitted.matrices(texts, ["history"], times=times, entities={"customer": customers})
    labelled = np.flatnonzero(some.notna())
    assert np.array_equal(learned, whole["history"][labelled[train]])
    assert np.array_equal(scored, whole["history"][labelled[test]])
    assert len(learned) == 60


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"split": "time"}, "folds are grouped by it"),
        ({"groups": ["me"] * 900}, "folds are grouped by it"),
        ({"entities": {"writer": []}}, "reads what 'customer' wrote before"),
        ({"timestamps": None}, "needs timestamps"),
    ],
)
def test_what_would_leak_or_is_lacking_is_refused(written, options, said):
    texts, labels, customers, times = written
    given = {"timestamps": times, "entities": {"customer": customers}} | options
    with pytest.raises(EmbfeastError, match=said):
        evaluate(texts, labels, RECIPE, **given)
