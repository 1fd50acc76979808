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
    [({"method": "lda"}, "pca, truncated_svd"), ({"n_components": 0}, "number of at least 1")],
)
def test_wrong_settings_list_the_valid_ones(X, settings, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingReducer(**settings).fit(X)
