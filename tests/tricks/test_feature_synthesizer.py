import numpy as np
import pytest
from sklearn.preprocessing import PolynomialFeatures

from embfeast.tricks import FeatureSynthesizer


@pytest.mark.parametrize(("components", "width"), [(6, 27), (20, 230)])
def test_degree_two_has_the_known_width(X, components, width):
    assert FeatureSynthesizer(components).fit_transform(X).shape == (600, width)


def test_products_are_those_of_the_standardised_columns(X):
    made = FeatureSynthesizer(5).fit_transform(X)
    np.testing.assert_allclose(made[:, :5].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(made[:, :5].std(axis=0), 1, atol=1e-5)
    expected = PolynomialFeatures(2, include_bias=False).fit_transform(made[:, :5])
    np.testing.assert_allclose(made, expected, atol=1e-4)


def test_without_a_reduction_the_columns_themselves_are_multiplied(X):
    names = FeatureSynthesizer(None).fit(X[:, :3]).get_feature_names_out().tolist()
    assert names[3:] == [
        "component_00_squared",
        "component_00_x_component_01",
        "component_00_x_component_02",
        "component_01_squared",
        "component_01_x_component_02",
        "component_02_squared",
    ]


def test_interactions_alone_leave_out_squares(X):
    assert FeatureSynthesizer(6, interaction_only=True).fit_transform(X).shape == (600, 6 + 15)


def test_too_wide_is_refused_before_memory_is_spent():
    wide = np.zeros((2, 20_000), dtype=np.float32)
    with pytest.raises(ValueError, match="200030000 features, more than max_features=1024"):
        FeatureSynthesizer(None).fit(wide)


def test_a_constant_direction_does_not_blow_up(X):
    X = X.copy()
    X[:, :] = X[:1]
    assert np.abs(FeatureSynthesizer(4).fit_transform(X)).max() < 1e-3
