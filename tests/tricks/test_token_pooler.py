import pickle

import numpy as np
import pytest
from sklearn.base import clone

from embfeast import EmbfeastError
from embfeast.tricks import TokenPooler

TEXTS = ["I was charged twice", "late", "The parcel is late and nobody answers the phone."]


def test_blocks_are_joined_at_unit_length(encoder):
    made = TokenPooler(("mean", "max", "cls")).fit_transform(TEXTS)
    assert made.shape == (3, 3 * 384)
    assert made.dtype == np.float32
    for i in range(3):
        np.testing.assert_allclose(
            np.linalg.norm(made[:, i * 384 : (i + 1) * 384], axis=1), 1, atol=1e-6
        )
    np.testing.assert_allclose(made[:, :384], encoder.encode(TEXTS), atol=1e-6)


def test_unscaled_blocks_are_the_poolings_themselves(encoder):
    made = TokenPooler(("max",), scale=False).fit_transform(TEXTS)
    assert np.array_equal(made, encoder.encode_pooled(TEXTS, ["max"])["max"])


def test_padding_never_leaks(encoder):
    pooler = TokenPooler(("mean", "max", "cls")).fit(TEXTS)
    together = pooler.transform([*TEXTS, "long " * 300])
    for row, text in enumerate(TEXTS):
        assert np.array_equal(pooler.transform([text])[0], together[row])


def test_names_clone_and_pickle():
    pooler = TokenPooler(("max", "cls")).fit(TEXTS)
    names = pooler.get_feature_names_out().tolist()
    assert (names[0], names[384], len(names)) == ("max_000", "cls_000", 768)
    assert clone(pooler).get_params() == pooler.get_params()
    copy = pickle.loads(pickle.dumps(pooler))
    assert np.array_equal(copy.transform(TEXTS), pooler.transform(TEXTS))


def test_wrong_pooling_and_missing_texts_are_said():
    with pytest.raises(ValueError, match=r"\['median'\]; choose from mean, max, cls"):
        TokenPooler(("mean", "median")).fit(TEXTS)
    with pytest.raises(EmbfeastError, match="text 1 is missing"):
        TokenPooler().fit(TEXTS).transform(["a", None])
