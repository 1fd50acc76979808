import numpy as np
import pytest

from embfeast.tricks import Whitener


def spread(X):
    return np.linalg.eigvalsh(np.cov(X.T.astype(np.float64)))[::-1]


def test_full_strength_gives_every_kept_direction_unit_variance(X):
    whitener = Whitener("pca", n_components=50, strength=1.0, shrinkage=0.0, floor=0.0)
    np.testing.assert_allclose(whitener.fit_transform(X).var(axis=0), 1, rtol=1e-3)


def test_zca_stays_close_to_the_original_axes(X):
    whitener = Whitener("zca", strength=1.0, shrinkage=0.5).fit(X)
    assert whitener.transform(X).shape == X.shape
    assert np.allclose(whitener.matrix_, whitener.matrix_.T)


def test_strength_zero_only_centres(X):
    made = Whitener(strength=0.0).fit_transform(X)
    np.testing.assert_allclose(made, X - X.mean(axis=0), atol=1e-5)


def test_more_strength_means_a_flatter_spectrum(X):
    ratios = [spread(Whitener(strength=s).fit_transform(X))[[0, 100]] for s in (0.0, 0.5, 1.0)]
    flatness = [small / large for large, small in ratios]
    assert flatness[0] < flatness[1] < flatness[2]


@pytest.mark.parametrize("rows", [2, 20, 200, 383, 384, 385, 600])
@pytest.mark.parametrize("method", ["zca", "pca"])
def test_empty_directions_and_few_rows_never_blow_up(X, rows, method):
    made = Whitener(method, strength=1.0).fit(X[:rows]).transform(X)
    assert np.isfinite(made).all()
    assert np.abs(made).max() < 1e3


def test_the_default_keeps_neighbours_with_few_and_with_many_rows(encoder, banking):
    texts = encoder.encode(banking[:2000:4])
    raw = np.argsort(-(texts @ texts.T), axis=1)[:, 1:11]
    for rows in (100, 500):
        made = Whitener().fit(texts[:rows]).transform(texts)
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        near = np.argsort(-(made @ made.T), axis=1)[:, 1:11]
        kept = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(raw, near, strict=True)])
        assert kept > 0.6


def test_identical_rows_are_at_the_centre(X):
    made = Whitener().fit(np.repeat(X[:1], 5, axis=0)).transform(X[:1])
    np.testing.assert_allclose(made, 0, atol=1e-5)


def test_dropped_directions_are_gone(X):
    top = Whitener("pca", strength=0.0, shrinkage=0.0, n_components=3).fit(X).matrix_.T
    made = Whitener(drop_top=3, strength=0.0).fit_transform(X)
    np.testing.assert_allclose(made @ top.T, 0, atol=1e-4)


def test_too_many_directions_are_capped_below_the_rows(X):
    with pytest.warns(UserWarning, match="at most 9"):
        assert Whitener("pca", n_components=30).fit(X[:10]).transform(X).shape == (600, 9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "cholesky"}, "zca, pca"),
        ({"strength": 1.5}, "between 0 and 1"),
        ({"shrinkage": "oas"}, "auto, a number"),
        ({"shrinkage": -1.0}, "between 0 and 1"),
        ({"floor": 2}, "between 0 and 1"),
        ({"drop_top": 384}, "between 0 and 383"),
        ({"n_components": 3}, "take method='pca'"),
    ],
)
def test_wrong_settings_list_the_valid_ones(X, settings, message):
    with pytest.raises(ValueError, match=message):
        Whitener(**settings).fit(X)


def test_auto_shrinkage_is_that_of_ledoit_and_wolf(X):
    from sklearn.covariance import ledoit_wolf_shrinkage

    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    expected = ledoit_wolf_shrinkage(centred, assume_centered=True)
    assert Whitener(shrinkage="auto").fit(X).shrinkage_ == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rows", [100, 500])
def test_the_default_is_no_worse_than_raw_at_finding_texts_of_the_same_kind(encoder, tickets, rows):
    texts, kinds = tickets
    vectors = encoder.encode(texts)
    fitted = Whitener().fit(vectors[:rows])
    held, kinds = vectors[500:], kinds[500:]
    precision = []
    for made in (held, fitted.transform(held)):
        units = made / np.linalg.norm(made, axis=1, keepdims=True)
        near = np.argsort(-(units @ units.T), axis=1)[:, 1:6]
        precision.append((kinds[near] == kinds[:, None]).mean())
    assert precision[1] >= precision[0] - 0.01
