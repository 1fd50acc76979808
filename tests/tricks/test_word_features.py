import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from embfeast.tricks import WordFeatures

WAYS = [
    WordFeatures(8),
    WordFeatures(8, analyzer="char_wb", ngram_range=(2, 4)),
    WordFeatures(8, analyzer="char", ngram_range=(1, 3), max_terms=300),
    WordFeatures(8, hashed=True, max_terms=512),
]


@pytest.fixture(params=WAYS, ids=repr)
def words(request):
    return clone(request.param)


@pytest.fixture(scope="module")
def texts(banking):
    return banking[:400]


def test_a_text_has_the_same_bits_alone_and_in_a_batch(words, texts):
    together = words.fit(texts).transform(texts)
    assert together.dtype == np.float32
    for row in (0, 1, 57, 399):
        assert np.array_equal(words.transform(texts[row : row + 1])[0], together[row])
    assert np.array_equal(words.transform(texts[::-1]), together[::-1])
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)


def test_state_is_plain_small_and_restores_the_same_bits(words, texts):
    expected = words.fit(texts).transform(texts)
    state = {name: value for name, value in vars(words).items() if name.endswith("_")}
    assert sorted(state) == ["components_", "idf_", "terms_"]
    json.dumps(state["terms_"])
    copy = clone(words)
    for name, value in state.items():
        setattr(copy, name, value)
    assert np.array_equal(copy.transform(texts), expected)
    assert np.array_equal(clone(words).fit(texts).transform(texts), expected)


def test_a_second_fit_forgets_the_first(texts):
    words = WordFeatures(4)
    words.fit(texts[:200]).transform(texts)
    again = words.fit(texts[200:]).transform(texts)
    assert np.array_equal(again, WordFeatures(4).fit(texts[200:]).transform(texts))


def test_with_all_directions_cosines_are_those_of_tf_idf(texts):
    few = texts[:60]
    made = WordFeatures(60, ngram_range=(1, 1), min_texts=1).fit_transform(few)
    wanted = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b", sublinear_tf=True).fit_transform(few)
    np.testing.assert_allclose(made @ made.T, (wanted @ wanted.T).toarray(), atol=1e-5)


def test_codes_tell_what_words_of_the_same_kind_do_not():
    rng = np.random.default_rng(0)
    kinds = rng.choice(["AX", "BQ"], 200)
    codes = [f"{kind}{number:05d}" for kind, number in zip(kinds, range(200), strict=True)]
    model = make_pipeline(
        WordFeatures(8, analyzer="char_wb", ngram_range=(1, 2)), LogisticRegression()
    )
    assert cross_val_score(model, codes, kinds).mean() > 0.95


def test_few_texts_give_fewer_numbers_and_say_so():
    with pytest.warns(UserWarning, match="64 numbers asked, but 2 texts of 2 n-grams"):
        words = WordFeatures(min_texts=1, ngram_range=(1, 1)).fit(["late", "parcel"])
    made = words.transform(["parcel", "late", "unknown"])
    np.testing.assert_allclose(np.abs(made).sum(axis=1), [1, 1, 0], atol=1e-6)
    assert words.get_feature_names_out().tolist() == ["words_000", "words_001"]


@pytest.mark.parametrize(
    ("settings", "texts", "message"),
    [
        ({}, ["one", "two"], "no n-gram stands in 2 of the 2 texts"),
        ({}, ["?", "!"], "no n-gram"),
        ({}, ["one", None], "row 1 is None, not text"),
        ({}, "one text", "got one string"),
        ({}, [], "there are no texts"),
        ({"analyzer": "words"}, ["one"], "word, char, char_wb"),
        ({"ngram_range": (3, 1)}, ["one"], "shortest and the longest"),
        ({"n_components": 0}, ["one"], "at least 1"),
    ],
)
def test_what_cannot_be_learned_is_named(settings, texts, message):
    with pytest.raises(ValueError, match=message):
        WordFeatures(**settings).fit(texts)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_gives_named_columns(texts, library):
    pytest.importorskip(library)
    frame = WordFeatures(3).set_output(transform=library).fit(texts).transform(texts[:2])
    assert list(frame.columns) == ["words_000", "words_001", "words_002"]


def test_lone_surrogates_are_read_as_the_encoder_reads_them():
    words = WordFeatures(1, min_texts=1, analyzer="char", ngram_range=(1, 1))
    words.fit(["a\ud800", "a?"])
    assert words.terms_ == ["?", "a"]
