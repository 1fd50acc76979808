import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embfeast.scaffold.names import name_of, python_literal, singular, unique


@given(st.text())
def test_a_literal_means_its_text(text):
    assert ast.literal_eval(python_literal(text)).strip() == text.strip()


@given(st.text())
def test_any_name_becomes_one_that_python_feast_and_recipes_take(text):
    made = name_of(text)
    assert made.isidentifier()
    assert made.isascii()
    assert made == made.lower()
    assert not made.startswith("_")
    assert len(made) <= 50


@pytest.mark.parametrize("taken", ["import", "views", "batch"])
def test_names_that_the_files_use_themselves_are_avoided(taken):
    assert name_of(taken) == f"{taken}_text"


@pytest.mark.parametrize(
    ("many", "one"),
    [("replies", "reply"), ("boxes", "box"), ("analyses", "analysis"), ("cookies", "cookie"),
     ("old_notes", "old_note"), ("children", "child"), ("businesses", "business"),
     *((word, word) for word in ("series", "news", "status", "data", "bus", "gas", "sms", "yes",
                                 "feedback", "address", "this", "imdb", "tickets_2024", "text"))],
)  # fmt: skip
def test_a_row_is_called_by_the_singular_of_english(many, one):
    assert singular(many) == one


def test_equal_names_are_numbered():
    assert unique(["shop", "shop", "shop"]) == ["shop", "shop_2", "shop_3"]
