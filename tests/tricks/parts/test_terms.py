import numpy as np

from embfeast.tricks.parts.terms import distinctive_terms


def test_words_of_all_groups_distinguish_none():
    texts = ["my refund is late", "my refund is due", "my login is broken", "my login fails"]
    found = distinctive_terms(texts, np.array([0, 0, 1, 1]), 2)
    assert found[0][0] == "refund"
    assert found[1][0] == "login"


def test_texts_without_words_and_empty_groups_have_no_terms():
    assert distinctive_terms(["!!", "1 2"], np.array([0, 1]), 2) == [[], []]
    assert distinctive_terms(["refund", "noise"], np.array([0, -1]), 2) == [["refund"], []]
