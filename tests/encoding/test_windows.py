import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embfeast.encoding import Pooling
from embfeast.encoding.windows import MOST_PIECES, cut_windows, stitch

SPECIAL = ([101], [102])
LONG = "The parcel came late. " * 80 + "Please refund my money."


@given(st.integers(1, 900), st.integers(6, 256))
def test_every_piece_is_read_and_kept_exactly_once(length, size):
    pieces = list(range(1000, 1000 + length))
    windows = cut_windows(pieces, SPECIAL, size)
    assert max(map(len, windows)) <= size
    states = [np.array(window, dtype=np.float32)[:, None] for window in windows]
    stitched, kept = stitch(states, windows, SPECIAL)
    assert kept == [101, *pieces, 102]
    assert stitched[:, 0].tolist() == kept


def test_a_text_beyond_the_limit_is_cut():
    windows = cut_windows([7] * (MOST_PIECES + 500), SPECIAL, 256)
    stitched, kept = stitch([np.zeros((len(w), 1), np.float32) for w in windows], windows, SPECIAL)
    assert len(kept) == len(stitched) == MOST_PIECES + 2


@pytest.mark.parametrize("kind", ["mean", "max", "cls"])
def test_a_text_inside_the_window_has_the_same_bits_read_either_way(encoder, kind):
    found = encoder.encode_pooled(["Where is my parcel?"], [kind, Pooling(kind, windows=True)])
    assert np.array_equal(found[kind], found[f"{kind}+windows"])


def test_the_end_of_a_long_text_counts_only_when_it_is_read_whole(encoder):
    other_end = LONG.replace("refund my money", "close the account")
    cut = encoder.encode_pooled([LONG, other_end], ["sentence"])["sentence"]
    assert np.array_equal(cut[0], cut[1])
    whole = encoder.encode_pooled([LONG, other_end], [Pooling("mean", windows=True)])
    first, second = whole["mean+windows"]
    assert not np.array_equal(first, second)


def test_a_long_text_read_both_ways_at_once_keeps_the_bits_of_each(encoder):
    both = encoder.encode_pooled([LONG, "short"], ["max", Pooling("max", windows=True)])
    assert np.array_equal(both["max"], encoder.encode_pooled([LONG, "short"], ["max"])["max"])
    alone = encoder.encode_pooled([LONG], [Pooling("max", windows=True)])["max+windows"]
    assert np.array_equal(both["max+windows"][:1], alone)
