import math
import uuid
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast.errors import EmbfeastError
from embfeast.tables.keys import UnknownKeyError, exact_key, exact_keys

WHOLE_KINDS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint32(), pa.uint64()]
# What stands in a column of keys that people have.
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-10, 10),
    st.floats(),
    st.sampled_from([3.0, 3.4, 6.6, -0.0, 2.0**53, 2.0**62, 1e300]),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.fractions(),
    st.text(max_size=5),
    st.sampled_from(["6", "6.6", "1e3", "١"]),
    st.binary(max_size=3),
    st.uuids(),
    st.sampled_from(
        [np.int32(3), np.float32(0.1), np.uint64(2**64 - 1), np.bool_(True), pd.NA, pd.NaT]
    ),
    st.lists(st.integers(), max_size=2),
)


def plain(value):
    """A value as plain Python has it, None for a missing one."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    value = value.item() if isinstance(value, np.generic) else value
    is_nan = value.is_nan() if isinstance(value, Decimal) else value != value
    return None if is_nan else value


@settings(max_examples=500, deadline=None)
@given(st.lists(values, max_size=6), st.sampled_from(WHOLE_KINDS))
def test_a_value_becomes_the_whole_number_it_equals_or_none_or_is_refused(given_values, kind):
    try:
        made = exact_keys(pd.Series(given_values, dtype=object), kind)
    except EmbfeastError:
        known = (int, float, Decimal, Fraction, type(None))
        found = list(map(plain, given_values))
        assert any(
            isinstance(value, bool)
            or not isinstance(value, known)
            or (isinstance(value, float) and abs(value) >= 2**53)
            for value in found
        )
        return
    assert made.type == kind
    for value, key in zip(map(plain, given_values), made.to_pylist(), strict=True):
        assert not isinstance(value, bool)
        if key is not None:
            assert key == value
        elif value is not None:  # only what equals no number of that type is unknown
            about = np.iinfo(kind.to_pandas_dtype())
            assert not (about.min <= value <= about.max) or value != math.floor(value)


@settings(max_examples=300, deadline=None)
@given(st.lists(values, max_size=6))
def test_only_text_meets_text(given_values):
    try:
        made = exact_keys(pd.Series(given_values, dtype=object), pa.string())
    except EmbfeastError:
        known = (type(None), str, uuid.UUID)
        assert any(not isinstance(plain(value), known) for value in given_values)
        return
    expected = [None if (v := plain(value)) is None else str(v) for value in given_values]
    assert made.to_pylist() == expected


@pytest.mark.parametrize(
    "dtype", ["int64", "Int32", "uint8", "category", "int64[pyarrow]", "float64"]
)
def test_columns_of_every_integer_type_of_pandas_keep_their_numbers(dtype):
    series = pd.Series([3, 7, 100]).astype(dtype)
    assert exact_keys(series, pa.int64()).to_pylist() == [3, 7, 100]


def test_gaps_are_null_and_numbers_beyond_the_type_are_unknown():
    assert exact_keys(pd.Series([3.0, np.nan, 3.4]), pa.int64()).to_pylist() == [3, None, None]
    assert exact_keys(pd.Series([2**40, 5]), pa.int32()).to_pylist() == [None, 5]
    assert exact_keys(pd.Series([2**63], dtype="uint64"), pa.int64()).to_pylist() == [None]
    assert exact_keys(pa.array([-1, 4]), pa.uint32()).to_pylist() == [None, 4]


def test_a_float_that_may_be_several_whole_numbers_is_refused():
    with pytest.raises(EmbfeastError, match="give integers"):
        exact_keys(pd.Series([2.0**53]), pa.int64())


@pytest.mark.parametrize("value", [True, "6", b"6", [6]])
def test_a_value_of_another_kind_is_named_with_its_row(value):
    with pytest.raises(EmbfeastError, match=r"row 1: .* is not a whole number"):
        exact_keys(pd.Series([5, value], dtype=object), pa.int64())


def test_text_that_no_database_can_hold_is_unknown():
    assert exact_keys(pd.Series(["a", "\ud800"]), pa.string()).to_pylist() == ["a", None]


def test_one_value_is_told_apart_as_key_unknown_or_of_another_kind():
    assert exact_key(Fraction(6, 2), pa.int64()) == 3
    assert exact_key(Decimal("7.00"), pa.int64()) == 7
    with pytest.raises(UnknownKeyError):
        exact_key(3.4, pa.int64())
    with pytest.raises(TypeError):
        exact_key(True, pa.int64())


def test_categories_with_a_gap_keep_every_digit():
    column = pd.Series([2**60 + 1, None], dtype="Int64").astype("category")
    assert exact_keys(column, pa.int64()).to_pylist() == [2**60 + 1, None]
