import json

import numpy as np
import pandas as pd
import pytest

from embfeast import EmbfeastError, Recipe
from embfeast.evaluation import evaluate
from embfeast.evaluation.sets import RAW, feature_sets, make_blocks
from embfeast.evaluation.task import prepare

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def times(tickets):
    return pd.date_range("2026-01-01", periods=len(tickets[0]), freq="h", tz="UTC")


@pytest.fixture(scope="module")
def found(tickets, times, recipe, cached):
    texts, labels = tickets
    return evaluate(texts, labels, recipe, timestamps=times, folds=5, encoder=cached)


def test_a_set_that_loses_what_the_label_needs_harms(found):
    assert found.measure == "accuracy"
    assert found.row(RAW).score > 0.5
    assert found.row("near").verdict == "harms"
    assert found.row("raw + reduced").verdict == "no difference"


def test_processes_on_two_cores_find_what_one_process_finds(tickets, recipe, cached, monkeypatch):
    def found(cores):
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", cores)
        texts, labels = (given[:150] for given in tickets)
        rows = evaluate(texts, labels, recipe, folds=2, encoder=cached).rows
        return [(row.model, row.features, row.score, row.difference, row.low) for row in rows]

    assert found("1") == found("2")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_on_labels_without_signal_nothing_helps_or_harms(tickets, noise, recipe, cached, seed):
    found = evaluate(
        tickets[0], noise(seed), recipe, split="stratified", train_rows=200, encoder=cached
    )
    compared = [row for row in found.rows if row.features != RAW and not row.is_baseline]
    assert {row.verdict for row in compared} == {"no difference"}
    assert found.verdict.startswith("Use none of these: nothing is better than the majority")
    assert found.row(RAW).score == pytest.approx(0.5, abs=0.08)


def test_neighbours_labels_help_with_no_label_that_knows_nothing(tickets, noise, cached):
    # Every label is seen inside the fold, and no row's own.
    near = {"trick": "labelled_neighbours", "n_neighbors": 5}
    found = evaluate(
        tickets[0], noise(3), Recipe({"tricks": {"neighbours": near}}),
        split="stratified", train_rows=200, encoder=cached,
    )  # fmt: skip
    own = [row for row in found.rows if "neighbours" in row.features]
    assert {row.verdict for row in own} == {"no difference"}
    assert all(abs(row.score - 0.5) < 0.08 for row in own)


@pytest.mark.parametrize("method", ["pls", "lda"])
def test_directions_on_labels_help_with_no_label_that_knows_nothing(tickets, noise, cached, method):
    told = {"trick": "embedding_reducer", "method": method, "n_components": 1}
    found = evaluate(
        tickets[0], noise(4), Recipe({"tricks": {"told": told}}),
        split="stratified", train_rows=200, encoder=cached,
    )  # fmt: skip
    own = [row for row in found.rows if "told" in row.features]
    assert {row.verdict for row in own} == {"no difference"}
    assert all(abs(row.score - 0.5) < 0.08 for row in own)


@pytest.mark.parametrize("split", ["time", "stratified"])
def test_directions_on_labels_tell_a_label_better_than_as_many_of_pca(
    tickets, times, cached, split
):
    few = {"trick": "embedding_reducer", "n_components": 3}
    recipe = Recipe({"tricks": {"pca": few, "told": few | {"method": "lda"}}})
    found = evaluate(*tickets, recipe, timestamps=times, split=split, folds=5, encoder=cached)
    assert found.row("told").score > found.row("pca").score


def test_a_signal_that_only_products_carry_is_found(tickets, cached):
    vectors = cached.encode(tickets[0]).astype(np.float64)
    axes = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[2][:2]
    parts = (vectors - vectors.mean(axis=0)) @ axes.T
    products = parts[:, 0] * parts[:, 1]
    # Near zero the sign is another one where vectors differ by rounding, as between processors.
    clear = np.flatnonzero(np.abs(products) > np.quantile(np.abs(products), 0.3))
    texts = [tickets[0][i] for i in clear]
    labels = np.where(products[clear] > 0, "same", "apart")
    recipe = Recipe({"tricks": {"products": {"trick": "feature_synthesizer", "n_components": 2}}})
    found = evaluate(texts, labels, recipe, split="stratified", train_rows=300, encoder=cached)
    assert found.row("raw + products").verdict == "helps"


def test_trees_and_neighbours_stand_beside_a_linear_model_on_raw(tickets, recipe, cached):
    texts, labels = tickets
    two = np.where(labels == labels[0], "it", "other")
    found = evaluate(
        texts,
        two,
        recipe,
        split="stratified",
        folds=2,
        models=("trees", "neighbours"),
        train_rows=60,
        sets=feature_sets(recipe.settings)[:2],
        encoder=cached,
    )
    assert [(row.model, row.features) for row in found.rows if not row.is_baseline] == [
        ("trees", RAW),
        ("trees", "similarity"),
        ("linear", RAW),
        ("neighbours", RAW),
        ("neighbours", "similarity"),
        ("linear", RAW),
    ]


def test_an_entry_that_is_called_as_a_baseline_is_told_from_it(tickets, cached):
    texts, labels = tickets
    recipe = Recipe({"tricks": {"words": {"trick": "word_features", "n_components": 8}}})
    found = evaluate(texts, labels, recipe, split="stratified", folds=2, encoder=cached)
    names = [row.features for row in found.rows if not row.is_baseline]
    assert names == [RAW, "entry words", "raw + entry words"]
    assert found.row("entry words").width == 8
    assert found.row("words").width == 0


def test_an_entry_that_is_called_as_the_plain_embedding_is_refused(tickets, cached):
    recipe = Recipe({"tricks": {"raw": {"trick": "whitener"}}})
    with pytest.raises(EmbfeastError, match=r"entry 'raw' is called as .*another name"):
        evaluate(*tickets, recipe, split="stratified", folds=2, encoder=cached)


def test_numbers_are_scored_by_r2(tickets, recipe, cached):
    texts = tickets[0]
    lengths = cached.encode(texts)[:, 0].astype(float)
    found = evaluate(texts, lengths, recipe, split="stratified", folds=3, encoder=cached)
    assert found.measure == "R²"
    assert found.row(RAW).score > 0.95
    assert found.row("near").score < 0.9


def test_grades_are_told_by_error_and_rank_and_stand_beside_their_mean(tickets, recipe, cached):
    texts = tickets[0]
    grades = np.digitize(cached.encode(texts)[:, 0], [-0.03, -0.01, 0.01, 0.03]) + 1
    only = feature_sets(recipe.settings)[:1]
    found = evaluate(texts, grades, recipe, sets=only, folds=3, encoder=cached)
    assert (found.task, found.measure, found.split) == ("ordered", "R²", "stratified")
    assert [row.features for row in found.rows] == ["mean", "words", RAW]
    assert set(found.row(RAW).measures) == {"R²", "mean error", "rank correlation"}
    assert found.row("mean").score == pytest.approx(0, abs=0.01)
    assert "whole numbers from 1 to 5 are taken for grades" in found.notes[0]
    assert "only 3 folds" in found.to_markdown()


def test_uneven_classes_are_ranked_by_balanced_accuracy_and_words_that_tell_them_win(
    rng, recipe, cached
):
    codes = ["".join(rng.choice(list("bcdfghkl"), 4)) for _ in range(300)]
    labels = np.array(["rare" if "b" in code else "often" for code in codes])
    labels[:200] = "often"
    codes[:200] = [code.replace("b", "c") for code in codes[:200]]
    only = feature_sets(recipe.settings)[:1]
    found = evaluate(codes, labels, recipe, sets=only, encoder=cached)
    assert found.measure == "balanced accuracy"
    assert found.row("majority").score == pytest.approx(0.5)
    assert found.row("words").score > 0.9
    assert "counting words" in found.verdict or "Use words" in found.verdict


def test_everything_is_fitted_inside_the_fold(tickets, recipe, cached):
    texts, labels = tickets
    train, test = list(texts[:100]), list(texts[100:130])
    fitted = recipe.fit(train, labels=labels[:100], encoder=cached)
    blocks = make_blocks(fitted, train, test, seed=0)
    other = make_blocks(fitted, train, [f"{text} changed" for text in test], seed=0)
    assert all(np.array_equal(blocks[name][0], other[name][0]) for name in blocks)
    assert blocks["near"][0].shape == (100, 5), "distances without the cluster's number"


def test_markdown_and_json_say_the_same_and_the_figure_is_drawn(found, tmp_path):
    told = json.loads(found.to_json())
    table = found.to_markdown()
    assert len(told["rows"]) == table.count("\n| linear |") + 1  # the majority has no model
    assert table.startswith(told["verdict"])
    for row in told["rows"]:
        assert f"| {row['features']} | {row['score']:.4f} |" in table
    pytest.importorskip("altair")
    assert found.figure(tmp_path / "figure.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["x"] * 40}, "the label is 'x' in every row"),
        ({"labels": [None] * 40}, "no row has both"),
        ({"labels": ["x"]}, "1 labels for 40 texts"),
        ({"timestamps": None}, "needs timestamps"),
        ({"split": "random"}, "choose from time, grouped, stratified"),
        ({"models": ("forest",)}, "linear, trees, neighbours"),
        ({"folds": 1}, "at least 2"),
        ({"labels": [str(i % 35) for i in range(40)], "models": ("trees",)}, "has 35 classes"),
    ],
)
def test_what_cannot_be_compared_is_said(tickets, times, recipe, change, message):
    given = {
        "labels": ["a", "b"] * 20,
        "timestamps": times[:40],
        "models": ("linear",),
        "split": "time",
    } | change
    with pytest.raises(EmbfeastError, match=message):
        evaluate(tickets[0][:40], given.pop("labels"), recipe, **given)


def test_texts_of_a_series_are_taken_by_position_whatever_its_index(tickets):
    texts, labels = tickets
    shuffled = pd.Series(texts, index=range(len(texts), 0, -1))
    by_position, by_list = (
        prepare(given, labels, split="stratified", folds=5) for given in (shuffled, texts)
    )
    assert by_position.texts == by_list.texts
