import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embfeast.tricks.parts.sentences import MOST_SENTENCES, across_sentences, split_sentences


@given(st.text(max_size=200))
def test_a_text_has_at_least_one_sentence_and_no_character_is_lost(text):
    found = split_sentences(text)
    assert found
    assert "".join("".join(found).split()) == "".join(text.split())


def test_a_book_is_cut():
    assert len(split_sentences("Late. " * (MOST_SENTENCES + 9))) == MOST_SENTENCES


def test_one_sentence_keeps_its_vector_however_sentences_are_pooled():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3, 4))
    for how in ("mean", "max", "attention"):
        made = across_sentences(vectors, vectors, [1, 2], how, vectors[2], 0.1)
        np.testing.assert_allclose(made[0], vectors[0])
    expected = across_sentences(vectors, vectors, [1, 2], "max", None, 0.1)[1]
    assert np.array_equal(expected, vectors[1:].max(axis=0))
