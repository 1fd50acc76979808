import numpy as np
import pytest
from sklearn.decomposition import PCA, TruncatedSVD

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
        ({"method": "lda"}, "pca, truncated_svd"),
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
