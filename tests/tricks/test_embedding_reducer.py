import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from embfeast.tricks import EmbeddingReducer


def test_six_texts_keep_all_variance_in_six_components(encoder):
    vectors = encoder.encode(["one", "two texts", "a third", "and four", "number five", "six"])
    reducer = EmbeddingReducer(6).fit(vectors)
    assert reducer.transform(vectors).shape == (6, 6)
    assert reducer.explained_variance_ratio_.sum() == pytest.approx(1.0)


def test_pca_agrees_with_scikit_learn(X):
    ours, theirs = EmbeddingReducer(10).fit(X), PCA(10, svd_solver="full").fit(X.astype(np.float64))
    np.testing.assert_allclose(
        ours.explained_variance_ratio_, theirs.explained_variance_ratio_, rtol=1e-8
    )
    np.testing.assert_allclose(np.abs(ours.transform(X)), np.abs(theirs.transform(X)), atol=1e-5)


def test_truncated_svd_agrees_with_scikit_learn(X):
    ours = EmbeddingReducer(10, method="truncated_svd").fit(X)
    theirs = TruncatedSVD(10, algorithm="arpack").fit(X.astype(np.float64))
    np.testing.assert_allclose(
        ours.explained_variance_ratio_, theirs.explained_variance_ratio_, rtol=1e-6
    )
    np.testing.assert_allclose(np.abs(ours.transform(X)), np.abs(theirs.transform(X)), atol=1e-5)


def test_few_and_many_rows_find_the_same_axes(X):
    few, many = EmbeddingReducer(5).fit(X), EmbeddingReducer(5).fit(np.vstack([X, X]))
    np.testing.assert_allclose(few.components_, many.components_, atol=1e-6)


def test_more_components_lose_less_and_all_lose_nothing(X):
    errors = [EmbeddingReducer(k).fit(X).reconstruction_error(X) for k in (8, 64, 384)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-9


def test_too_many_components_are_capped_with_a_warning(X):
    with pytest.warns(UserWarning, match="at most 4"):
        assert EmbeddingReducer(9).fit(X[:4]).transform(X).shape == (600, 4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "ica"}, "pca, truncated_svd, umap, pls, lda"),
        ({"method": "lda", "n_components": 0.9}, "with LDA, n_components is a whole number"),
        ({"method": "pls", "label_share": 1.0}, "between 0.05 and 0.95"),
        ({"n_components": 0}, "number of at least 1"),
        ({"n_components": 1.5, "method": "umap"}, "whole number"),
        ({"n_components": "knee"}, "elbow, parallel"),
    ],
)
def test_wrong_settings_list_the_valid_ones(X, settings, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingReducer(**settings).fit(X)


def test_a_share_of_variance_keeps_as_few_components_as_explain_it(X):
    reducer = EmbeddingReducer(0.9).fit(X)
    kept = len(reducer.components_)
    assert reducer.variance_curve_[kept - 1] >= 0.9 > reducer.variance_curve_[kept - 2]
    assert np.isclose(reducer.explained_variance_ratio_.sum(), reducer.variance_curve_[kept - 1])


@pytest.mark.parametrize("rule", ["elbow", "parallel"])
@pytest.mark.parametrize("rows", [60, 600])
def test_a_rule_finds_the_directions_that_were_planted(rule, rows):
    rng = np.random.default_rng(5)
    planted = rng.normal(size=(rows, 4)) * 8 @ rng.normal(size=(4, 40))
    noisy = planted + rng.normal(size=(rows, 40))
    assert len(EmbeddingReducer(rule).fit(noisy).components_) == 4


@pytest.mark.parametrize("method", ["pca", "truncated_svd"])
def test_the_variance_curve_rises_to_one(X, method):
    curve = EmbeddingReducer(3, method=method).fit(X).variance_curve_
    assert len(curve) == 384
    assert (np.diff(curve) >= -1e-12).all()
    assert curve[-1] == pytest.approx(1.0)


def test_components_are_rescaled_only_when_asked(X):
    plain, scaled = EmbeddingReducer(5).fit(X), EmbeddingReducer(5, scale=True).fit(X)
    assert plain.transform(X).std(axis=0)[0] < 0.5
    np.testing.assert_allclose(scaled.transform(X).std(axis=0), 1, rtol=1e-4)
    assert scaled.reconstruction_error(X) == pytest.approx(plain.reconstruction_error(X), abs=1e-6)


def test_neighbour_overlap_grows_with_the_components(X):
    kept = [EmbeddingReducer(k).fit(X).neighbour_overlap(X) for k in (2, 64, 384)]
    assert kept[0] < kept[1] < kept[2]
    assert kept[2] > 0.99


@pytest.mark.slow
@pytest.mark.no_cover  # numba compiles for half as long
def test_umap_is_savable_deterministic_and_warns_that_new_points_are_approximate(X):
    pytest.importorskip("umap")
    with pytest.warns(UserWarning, match="approximately"):
        reducer = EmbeddingReducer(2, method="umap").fit(X[:120])
    made = reducer.transform(X[:140])
    np.testing.assert_allclose(made[:120], reducer.positions_, atol=1e-5)
    assert np.array_equal(reducer.transform(X[130:131])[0], made[130])
    with pytest.raises(ValueError, match="no inverse"):
        reducer.inverse_transform(made)


def test_identical_rows_reduce_to_zero(X):
    with pytest.warns(UserWarning, match="at most 5"):
        made = EmbeddingReducer(8).fit(np.repeat(X[:1], 5, axis=0)).transform(X[:1])
    np.testing.assert_allclose(made, 0, atol=1e-6)


@pytest.fixture(scope="module")
def topics(X):
    """Four labels that a few directions of the vectors tell."""
    rng = np.random.default_rng(1)
    return np.argmax(X[:, :4] + 0.01 * rng.normal(size=(len(X), 4)), axis=1).astype(str)


@pytest.fixture(scope="module")
def days(X):
    return pd.Series(pd.date_range("2026-01-01", periods=len(X), tz="UTC"))


ON_LABELS = [
    EmbeddingReducer(3, method="pls"),
    EmbeddingReducer(3, method="lda"),
    EmbeddingReducer(2, method="lda", scale=True),
]


@pytest.fixture(params=ON_LABELS, ids=repr)
def on_labels(request):
    return clone(request.param)


def test_lda_agrees_with_scikit_learn(X, topics):
    ours = EmbeddingReducer(3, method="lda").fit(X, topics)
    theirs = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto").fit(
        X.astype(np.float64), topics
    )
    made = theirs.transform(X.astype(np.float64) - X.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(np.abs(ours.transform(X)), np.abs(made), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("number", [False, True])
def test_pls_agrees_with_scikit_learns_power_method(X, topics, number):
    y = X[:, 0] + 2.5 * X[:, 3] if number else topics
    given = y if number else (y[:, None] == np.unique(y)).astype(float)
    theirs = PLSRegression(3, scale=False, max_iter=20_000, tol=1e-14)
    made = theirs.fit(X.astype(np.float64), given).transform(X.astype(np.float64))
    ours = EmbeddingReducer(3, method="pls").fit(X, y).transform(X)
    np.testing.assert_allclose(np.abs(ours), np.abs(made), atol=1e-5)


def test_directions_on_labels_tell_more_of_new_rows_than_as_many_of_pca(X, topics, on_labels):
    from sklearn.linear_model import LogisticRegression

    learned, held = slice(0, 400), slice(400, None)

    def score(reducer):
        made = reducer.fit(X[learned], topics[learned]).transform(X)
        made = made / made[learned].std()
        model = LogisticRegression(C=10).fit(made[learned], topics[learned])
        return model.score(made[held], topics[held])

    assert score(on_labels) > score(EmbeddingReducer(on_labels.n_components)) + 0.05


def test_rows_before_the_last_label_learned_from_say_nothing(X, topics, days, on_labels):
    fitted = on_labels.fit(X, topics, times=days)
    made, plain = fitted.transform(X, times=days), fitted.transform(X)
    assert fitted.learned_rows_ == 300
    assert not made[:300].any()
    assert np.array_equal(made[300:], plain[300:])
    assert plain.any(axis=1).all()
    for row in (299, 300, 599):
        alone = fitted.transform(X[row : row + 1], times=days[row : row + 1])
        assert np.array_equal(alone[0], made[row])


def test_labels_known_at_or_after_a_row_change_no_bit_of_it(X, topics, days, on_labels):
    one = on_labels.fit(X, topics, times=days).transform(X, times=days)
    rng = np.random.default_rng(2)
    changed = topics.copy()
    changed[300:] = rng.permutation(changed[300:])
    other = clone(on_labels).fit(X, changed, times=days).transform(X, times=days)
    assert np.array_equal(one, other)
    changed[:300] = rng.permutation(changed[:300])
    other = clone(on_labels).fit(X, changed, times=days).transform(X, times=days)
    assert not np.array_equal(one[300:], other[300:])


def test_a_label_counts_from_when_it_was_known(X, topics, days, on_labels):
    known = days + pd.Timedelta(days=100)
    fitted = on_labels.fit(X, topics, times=days, known=known)
    made = fitted.transform(X, times=days)
    assert not made[:400].any()
    assert made[400:].any(axis=1).all()
    before = clone(on_labels).fit(X, topics, times=days, as_of=days[200])
    assert before.learned_rows_ == 100


def test_without_times_a_share_of_the_keys_is_learned_from_and_says_nothing(X, topics, on_labels):
    keys = np.repeat(np.arange(300), 2).tolist()
    fitted = on_labels.fit(X, topics, keys=keys)
    quiet = ~fitted.transform(X, keys=keys).any(axis=1)
    assert quiet.sum() == fitted.learned_rows_
    assert 0.4 < quiet.mean() < 0.6
    assert (quiet[::2] == quiet[1::2]).all()
    learned = clone(on_labels).fit(X[quiet], topics[quiet])
    assert np.array_equal(learned.components_, fitted.components_)
    assert fitted.transform(X, keys=["another"] * 600).any(axis=1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": None}, "requires y to be passed"),
        ({"y": [None] * 600}, "none of 600 rows has a label"),
        ({"y": ["same"] * 600}, "nothing to tell apart"),
        ({"y": ["a"] * 5}, "5 labels for 600 rows"),
        ({"times": ["2026-01-01"] * 600}, "no slice is earlier"),
        ({"known": ["2030-01-01"] * 600}, "no slice is earlier"),
        ({"as_of": "2025-01-01"}, "known before 2025-01-01"),
    ],
)
def test_without_labels_or_an_earlier_slice_it_is_refused(
    X, topics, days, on_labels, change, message
):
    given = {"y": topics, "times": days} | change
    with pytest.raises(ValueError, match=message):
        on_labels.fit(X, **given)


def test_lda_of_a_number_or_of_labels_seen_once_is_refused(X):
    with pytest.raises(ValueError, match="take method='pls'"):
        EmbeddingReducer(1, method="lda").fit(X, X[:, 0])
    with pytest.raises(ValueError, match="each label is seen once"):
        EmbeddingReducer(1, method="lda").fit(X, [f"label {i}" for i in range(600)])


def test_lda_has_one_component_less_than_classes(X, topics):
    with pytest.warns(UserWarning, match="4 different labels have at most 3"):
        assert EmbeddingReducer(9, method="lda").fit(X, topics).transform(X).shape == (600, 3)


def test_the_way_back_from_directions_on_labels_is_the_nearest_that_they_express(
    X, topics, on_labels
):
    reducer = on_labels.fit(X, topics)
    back = reducer.inverse_transform(reducer.transform(X))
    np.testing.assert_allclose(reducer.transform(back), reducer.transform(X), atol=1e-4)
    away = back - X  # what is lost lies at right angles to what the directions span
    assert np.abs(away @ (back - reducer.mean_.astype(np.float32)).T).max() < 1e-3
