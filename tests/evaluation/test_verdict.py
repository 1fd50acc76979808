from dataclasses import replace

from embfeast.evaluation.comparison import Difference
from embfeast.evaluation.row import Row
from embfeast.evaluation.verdict import verdict

BETTER, SAME, WORSE = (Difference(m, m - 0.1, m + 0.1) for m in (0.3, 0.0, -0.3))
RAW = Row("linear", "raw", 0.8, 0.0, 0.0, 0.0, "", 384, 1536, 0.1)
MAJORITY = replace(RAW, model="—", features="majority", verdict="harms", width=0)
WORDS = replace(RAW, features="words", verdict="harms", width=0, over={"majority": BETTER})
NEAR = replace(RAW, features="near", score=0.9, difference=0.3, low=0.2, high=0.4, verdict="helps")


def said(*rows, **over):
    rows = [
        replace(row, over=row.over or {"majority": BETTER, "words": BETTER} | over) for row in rows
    ]
    return verdict([MAJORITY, WORDS, *rows], "linear", "accuracy")


def test_what_helps_is_named_with_its_gain_and_its_cost():
    assert said(RAW, NEAR) == (
        "Use near (linear): accuracy 0.9000, +30.00 [+20.00, +40.00] points over raw embeddings, "
        "+30.00 [+20.00, +40.00] over counted words (TF-IDF). It costs 384 numbers a row, "
        "1,536 bytes online and 0.10 ms beside encoding."
    )


def test_raw_is_used_where_nothing_helps_and_a_control_never_is():
    assert said(RAW, replace(NEAR, verdict="no difference")).startswith("Use raw (linear)")
    assert said(RAW, replace(NEAR, is_control=True)).startswith("Use raw (linear)")


def test_of_raw_it_is_said_what_they_are_over_words_and_that_nothing_is_better():
    assert said(RAW) == (
        "Use raw (linear): accuracy 0.8000, +30.00 [+20.00, +40.00] points over counted words "
        "(TF-IDF). It costs 384 numbers a row, 1,536 bytes online and 0.10 ms beside encoding. "
        "No other set is better beyond its interval."
    )


def test_words_that_are_as_good_or_better_are_said():
    assert said(RAW, words=SAME).endswith("None of this beats counting words beyond its interval.")
    assert said(RAW, words=WORSE).endswith("which are better: use them.")


def test_where_embeddings_are_at_the_majority_words_are_used_or_nothing():
    assert said(RAW, majority=SAME).startswith(
        "Use words: no embedding is better than the majority"
    )
    nothing = [
        MAJORITY,
        replace(WORDS, over={"majority": SAME}),
        replace(RAW, over={"majority": SAME}),
    ]
    assert verdict(nothing, "linear", "accuracy").startswith("Use none of these")
