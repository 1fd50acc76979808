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
        (np.ones((2, 384)), "share a vector"),
        ({"a": "same phrase", "b": ["same phrase"]}, "share a vector"),
    ],
)
def test_wrong_anchors_are_said(X, anchors, message):
    with pytest.raises(ValueError, match=message):
        AnchorSimilarity(anchors).fit(X)


def test_best_takes_the_phrase_most_similar_to_each_text(encoder):
    texts = encoder.encode(["double charge", "wrong bill", "late parcel"])
    phrases = {"billing": ["double charge", "wrong bill"], "late": ["late parcel"]}
    best = AnchorSimilarity(phrases, combine="best").fit(texts)
    assert best.transform(texts)[:2, 0] == pytest.approx(1, abs=1e-6)
    mean = AnchorSimilarity(phrases).fit(texts)
    assert (mean.transform(texts)[:2, 0] < 0.99).all()
    assert best.groups_.tolist() == [0, 0, 1]


def test_contrast_makes_a_typical_text_score_zero_whatever_the_anchor(X):
    anchors = AnchorSimilarity(X[:3], contrast=True).fit(X)
    made = anchors.transform(X)
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(made.std(axis=0), 1, rtol=1e-4)


def test_found_anchors_are_named_by_the_words_of_the_texts_around_them(encoder):
    texts = ["refund my order", "refund the order", "login fails", "login broken"] * 4
    anchors = AnchorSimilarity(2).fit(encoder.encode(texts), texts=texts)
    assert sorted(name.split("_")[0] for name in anchors.names_) in (
        ["login", "order"],
        ["login", "refund"],
    )
    with pytest.raises(ValueError, match="3 texts for 16 rows"):
        AnchorSimilarity(2).fit(encoder.encode(texts), texts=texts[:3])


def test_found_anchors_are_named_without_function_words_where_that_is_asked_for(encoder):
    topics = ["the parcel was late and the parcel was wet", "it is what they said of the refund"]
    texts = [f"{topic} {i}" for topic in topics for i in range(6)]
    X = encoder.encode(texts)
    named = AnchorSimilarity(2, names="words").fit(X, texts=texts)
    assert sorted(named.names_) == ["parcel_late", "refund_said"]
    with pytest.raises(ValueError, match="is for anchors that are found"):
        AnchorSimilarity(X[:2], names="words").fit(X)


def test_found_anchors_with_the_same_words_are_told_apart():
    texts = ["same words"] * 6
    X = np.eye(6, dtype=np.float32)
    names = AnchorSimilarity(3).fit(X, texts=texts).names_
    assert len(set(names)) == 3
