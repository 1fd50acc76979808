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


@pytest.mark.parametrize("select", ["mutual_information", "l1"])
def test_the_product_that_decides_the_label_is_selected(select):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(400, 4)).astype(np.float32)
    y = np.where(X[:, 1] * X[:, 2] > 0, "refund", "other")
    made = FeatureSynthesizer(None, select=select, n_selected=1).fit(X, y)
    assert made.get_feature_names_out().tolist() == ["component_01_x_component_02"]
    assert made.transform(X).shape == (400, 1)


def test_numbers_as_labels_are_predicted_not_classified():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 4)).astype(np.float32)
    y = X[:, 0] ** 2 + 0.01 * rng.normal(size=300)
    chosen = FeatureSynthesizer(None, select="l1", n_selected=1).fit(X, y)
    assert chosen.get_feature_names_out().tolist() == ["component_00_squared"]
    # The column itself says as much as its square, to a measure that sees every dependence.
    told = FeatureSynthesizer(None, select="mutual_information", n_selected=2).fit(X, y)
    names = told.get_feature_names_out().tolist()
    assert names == ["component_00", "component_00_squared"]


def test_cross_validation_keeps_few_columns_where_few_matter():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(400, 8)).astype(np.float32)
    y = (X[:, 0] + 0.1 * rng.normal(size=400) > 0).astype(int)
    assert len(FeatureSynthesizer(None, select="l1", n_selected="cv").fit(X, y).selected_) == 4


def test_variance_selects_without_labels(X):
    made = FeatureSynthesizer(6, select="variance", n_selected=5).fit(X)
    assert made.transform(X).shape == (600, 5)


def test_the_count_sketch_estimates_the_squared_inner_product():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 10)).astype(np.float32)
    made = FeatureSynthesizer(None, method="count_sketch", width=4096, max_features=5000).fit(X)
    columns = made.transform(X).astype(np.float64)
    plain, sketch = columns[:, :10], columns[:, 10:]
    exact, estimated = (plain @ plain.T) ** 2, sketch @ sketch.T
    assert np.corrcoef(exact.ravel(), estimated.ravel())[0, 1] > 0.97


def test_nystroem_gives_the_kernel_of_its_landmarks():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)).astype(np.float32)
    made = FeatureSynthesizer(None, method="nystroem", width=60).fit(X)
    columns = made.transform(X).astype(np.float64)
    plain, features = columns[:, :5], columns[:, 5:]
    squares = np.square(plain[:, None] - plain).sum(axis=2)
    np.testing.assert_allclose(features @ features.T, np.exp(-squares / 10), atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "y", "message"),
    [
        ({"select": "l1"}, None, "requires y to be passed"),
        ({"select": "variance", "n_selected": "cv"}, None, "requires y to be passed"),
        ({"select": "gain"}, None, "variance, mutual_information, l1"),
        ({"method": "tensor"}, None, "polynomial, count_sketch, nystroem"),
        ({"method": "nystroem", "width": 601}, None, "601 landmarks asked of 600 rows"),
        ({"select": "l1"}, ["one"] * 600, "1 class with two rows"),
        ({"select": "l1"}, [None] * 600, "every label is missing"),
        ({"select": "l1"}, list(range(600)), "0 classes with two rows"),
        ({"select": "l1"}, ["a"] * 5, "5 labels for 600 rows"),
    ],
)
def test_what_cannot_be_selected_is_said(X, settings, y, message):
    with pytest.raises(ValueError, match=message):
        FeatureSynthesizer(4, **settings).fit(X, y)


def test_a_hundred_thousand_classes_are_refused():
    X = np.random.default_rng(0).normal(size=(200_000, 2)).astype(np.float32)
    y = np.repeat(np.arange(100_000), 2)
    with pytest.raises(ValueError, match="100000 classes, more than 1000"):
        FeatureSynthesizer(None, select="mutual_information").fit(X, y)
