import numpy as np
import pytest

from embfeast.tricks import AnchorSimilarity


def test_similarity_is_the_cosine_to_the_mean_of_the_unit_phrases(encoder):
    texts = encoder.encode(["I was billed twice", "the parcel is late"])
    anchors = AnchorSimilarity({"Billing issue": ["double charge", "wrong bill"], "late": "delay"})
    made = anchors.fit_transform(texts)
    centre = encoder.encode(["double charge", "wrong bill"]).mean(axis=0)
    np.testing.assert_allclose(made[:, 0], texts @ (centre / np.linalg.norm(centre)), atol=1e-6)
    assert anchors.get_feature_names_out().tolist() == [
        "similarity_billing_issue",
        "similarity_late",
    ]
    assert made[0, 0] > made[1, 0]
    assert made[1, 1] > made[0, 1]


def test_found_anchors_are_training_rows(X):
    anchors = AnchorSimilarity(4).fit(X)
    units = X / np.linalg.norm(X, axis=1, keepdims=True)
    assert anchors.anchors_.shape == (4, 384)
    assert np.isclose(anchors.anchors_ @ units.T, 1, atol=1e-5).any(axis=1).all()


def test_length_of_a_vector_does_not_matter_and_zero_gives_zero(X):
    anchors = AnchorSimilarity(X[:2]).fit(X)
    np.testing.assert_allclose(anchors.transform(X * 7), anchors.transform(X), atol=1e-6)
    assert anchors.transform(np.zeros((1, 384)))[0].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ({}, "anchors is empty"),
        ({"a": []}, "'a' has no phrase"),
        ({"a": ["fine", " "]}, "'a' has no phrase, or a blank one"),
        ({"Wrong bill": "x", "wrong-bill": "y"}, "have the same name"),
        (0, "cannot find 0 anchors in 600 texts"),
        (601, "cannot find 601 anchors in 600 texts"),
        (np.ones((2, 3)), r"shape \(2, 3\), vectors are 384 wide"),
        (np.zeros((1, 384)), "zero vector"),
    ],
)
def test_wrong_anchors_are_said(X, anchors, message):
    with pytest.raises(ValueError, match=message):
        AnchorSimilarity(anchors).fit(X)
