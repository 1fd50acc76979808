"""The next item is made while one is used; order and errors stay."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embfeast.read_ahead import read_ahead


@given(st.lists(st.integers()))
def test_all_items_come_in_their_order(items):
    assert list(read_ahead(iter(items))) == items


def test_the_next_item_is_made_before_the_last_one_is_given_back():
    made = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        made.set()
        yield 2

    for item in read_ahead(items()):
        if item == 1:
            assert made.wait(10)


def test_an_error_in_making_an_item_reaches_the_user_after_the_items_before_it():
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    found = read_ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="no more"):
        next(found)


def test_the_reader_itself_may_clear_away_what_an_error_has_left():
    used, cleared = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        assert used.wait(10)
        found.close()  # as Python's collector does, in whatever thread it runs
        cleared.set()
        yield 2

    found = read_ahead(items())
    assert next(found) == 1
    used.set()
    assert cleared.wait(10)
