"""The door of lookups: any rows give the right values, or an error that names row and column."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.plugin.online.request import checked_columns
from tests.doors import READING, WHOLE
from tests.doors.known import FEATURE, Known
from tests.doors.values import keys, names, plain, whole_number

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def known(materialized):
    _, store, fitted = materialized
    return store, Known(fitted)


rows = st.one_of(
    st.lists(st.fixed_dictionaries({"review_id": keys}), max_size=4),
    st.lists(
        st.fixed_dictionaries({"review_id": keys}, optional={"note": keys, "text": keys}),
        max_size=3,
    ),
    st.lists(st.dictionaries(st.one_of(names, st.just("review_id")), keys, max_size=2), max_size=3),
)


@WHOLE
@given(given_rows=rows)
def test_a_lookup_is_what_a_loop_finds_or_an_error_of_ours(known, given_rows):
    store, texts = known
    try:
        found = store.get_online_features([FEATURE], given_rows).to_dict()
    except EmbfeastError:
        return
    assert len(found["reduced"]) == len(given_rows)
    for row, key, vector in zip(given_rows, found["review_id"], found["reduced"], strict=True):
        want = texts.newest(row["review_id"])
        assert key == plain(row["review_id"])
        assert (vector is None) == (want is None)
        assert want is None or np.array_equal(np.float32(vector), np.float32(want))


@pytest.mark.no_cover
@READING
@given(given_rows=rows)
def test_keys_of_a_lookup_are_what_a_loop_reads_or_an_error_of_ours(known, given_rows):
    store = known[0]
    try:
        found = checked_columns(
            given_rows, [FEATURE], store.registry, store.project, longest_text=100
        )
    except EmbfeastError:
        return
    want = [whole_number(row["review_id"]) for row in given_rows]
    assert found == {"review_id": want}
    assert all(-(2**63) <= number < 2**63 for number in want)


def test_every_key_is_found_however_it_is_written(known):
    store, texts = known
    given_rows = [{"review_id": key} for key in (0, 3.0, np.int32(7), Decimal("2.00"), 99)]
    found = store.get_online_features([FEATURE], given_rows).to_dict()
    assert found["review_id"] == [0, 3, 7, 2, 99]
    for key, vector in zip((0, 3, 7, 2), found["reduced"], strict=False):
        assert np.array_equal(np.float32(vector), np.float32(texts.newest(key)))
    assert found["reduced"][4] is None


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"review_id": 5}, {"review_id": None}], "'review_id' of row 1 is null"),
        ([{"review_id": 3.4}], "'review_id' of row 0 is 3.4"),
        ([{"review_id": 5}, {}], "row 1 lacks 'review_id'"),
        ([{"review_id": 2**70}], "'review_id' of row 0"),
        ([{"review_id": True}], "'review_id' of row 0: True"),
        ([{"note": 5}], "lacks the key 'review_id'"),
        ([], "no rows"),
    ],
)
def test_what_cannot_be_a_key_is_named_with_row_and_column(known, rows, said):
    with pytest.raises(EmbfeastError, match=said):
        known[0].get_online_features([FEATURE], rows)


def test_a_feature_that_its_view_has_not_is_a_key_error_as_feasts_own(known):
    for kind in (EmbfeastError, KeyError):
        with pytest.raises(kind, match=r"no feature 'reducd' .did you mean 'reduced'"):
            known[0].get_online_features(["review_reduced:reducd"], [{"review_id": 5}])
