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


LONG = "The parcel is late. " * 90 + "I want my money back."


def test_weighted_counts_rare_pieces_more_and_takes_out_what_all_texts_share(encoder):
    texts = ["the parcel is late", "the parcel is lost", "the invoice is wrong", "the end"] * 3
    pooler = TokenPooler(("weighted",), scale=False).fit(texts)
    the, invoice = (encoder.pieces([word])[0][0] for word in ("the", "invoice"))
    assert pooler.piece_weights_[the] < pooler.piece_weights_[invoice] < 1
    assert pooler.piece_weights_[list(encoder.special_pieces)].tolist() == [0, 0]
    made = pooler.transform(texts).astype(np.float64)
    np.testing.assert_allclose(made @ pooler.common_, 0, atol=1e-5)
    plain = TokenPooler(("weighted",), scale=False, remove_common=False).fit(texts)
    assert np.abs(plain.transform(texts) @ pooler.common_).min() > 0.1


def test_key_tokens_are_the_rarest_or_those_named(encoder):
    from embfeast.encoding import Pooling

    texts = ["the parcel is late", "the parcel is lost", "the card is late"]
    rarest = TokenPooler(("key_tokens",), key_tokens=1, scale=False).fit(texts)
    named = TokenPooler(("key_tokens",), key_tokens=["card"], scale=False).fit(texts)
    assert np.array_equal(rarest.transform(texts[2:]), named.transform(texts[2:]))
    without = named.transform(texts[:1])
    np.testing.assert_allclose(
        without, encoder.encode_pooled(texts[:1], [Pooling("mean")])["mean"], atol=1e-6
    )


def test_long_texts_are_cut_read_in_windows_or_by_sentence():
    made = {}
    for how in ("cut", "windows", "sentences"):
        pooler = TokenPooler(("mean",), long_texts=how).fit(TEXTS)
        made[how] = pooler.transform([LONG, "Short text."])
    assert not np.array_equal(made["cut"][0], made["windows"][0])
    assert not np.array_equal(made["windows"][0], made["sentences"][0])
    assert np.array_equal(made["cut"][1], made["windows"][1])
    assert np.array_equal(made["cut"][1], made["sentences"][1])


def test_attention_turns_to_the_sentence_that_is_like_the_query(encoder):
    two_topics = "The app crashes all the time. By the way, please refund my last order."
    near = encoder.encode(["please refund my last order"])[0]
    asked, plain = (
        TokenPooler(("mean",), long_texts="sentences", across=across, query="refund", **more)
        .fit(TEXTS)
        .transform([two_topics])[0]
        for across, more in (("attention", {"temperature": 0.05}), ("mean", {}))
    )
    assert asked @ near > plain @ near + 0.1


def test_a_text_has_the_same_bits_alone_and_in_a_batch_whatever_is_pooled():
    kinds = ("mean", "max", "cls", "layers", "weighted", "key_tokens")
    for how in ("cut", "windows", "sentences"):
        pooler = TokenPooler(kinds, long_texts=how).fit(TEXTS)
        together = pooler.transform([*TEXTS, LONG])
        for row, text in enumerate([*TEXTS, LONG]):
            assert np.array_equal(pooler.transform([text])[0], together[row])


def test_it_takes_a_column_of_a_table_and_works_in_a_column_transformer():
    import pandas as pd
    from sklearn.compose import ColumnTransformer

    frame = pd.DataFrame({"body": TEXTS, "stars": [1, 2, 3]})
    whole = TokenPooler().fit_transform(TEXTS)
    assert np.array_equal(TokenPooler().fit_transform(frame[["body"]]), whole)
    columns = ColumnTransformer(
        [("text", TokenPooler(), "body"), ("rest", "passthrough", ["stars"])]
    )
    assert columns.fit_transform(frame).shape == (3, 769)
    with pytest.raises(ValueError, match="one column of texts, got 2"):
        TokenPooler().fit(frame)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"long_texts": "whole"}, "cut, windows, sentences"),
        ({"long_texts": "sentences", "across": "attention"}, "give query"),
        ({"pooling": ("key_tokens",), "key_tokens": [" "]}, "a blank one"),
        ({"pooling": ("mean", "mean")}, "names one twice"),
        ({"temperature": 0}, "temperature=0 is not valid"),
    ],
)
def test_wrong_settings_list_the_valid_ones(settings, message):
    with pytest.raises(ValueError, match=message):
        TokenPooler(**settings).fit(TEXTS)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_gives_named_columns(library):
    texts = ["I was charged twice", "Where is my parcel?"]
    pooler = TokenPooler(("mean", "max")).set_output(transform=library)
    frame = pooler.fit(texts).transform(texts)
    assert type(frame).__module__.startswith(library)
    assert list(frame.columns) == list(pooler.get_feature_names_out())
    assert len(frame) == 2


def test_it_shows_itself_in_a_notebook_as_scikit_learns_estimators_do():
    assert "TokenPooler" in TokenPooler()._repr_html_()
