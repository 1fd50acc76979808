"""Keys that people give, as a table's own: equal to a stored key exactly, or unknown."""

import math
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from embfeast.errors import EmbfeastError
from embfeast.moments import without_categories

# From here on not every whole number is a float: one that was an integer may have become another.
MOST_EXACT = 2**53


class UnknownKeyError(ValueError):
    """A value of the right kind that no stored key can equal: a fraction, or out of range."""


def exact_keys(column: pd.Series | pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """Return a column of keys as `kind`; null where no stored key can equal the value.

    Parameters
    ----------
    column : Series or Arrow array of length n
    kind : pyarrow.DataType
        Of the table's key.

    Returns
    -------
    pyarrow.Array of length n
        Of type `kind`. A null, a fraction for a whole number and a value out of range are null.

    Raises
    ------
    EmbfeastError
        A value is of another kind (text for a number, True for 1), or a float so large that it may
        stand for several whole numbers. The message names the row.

    Examples
    --------
    >>> exact_keys(pd.Series([3.0, 3.4, None]), pa.int64()).to_pylist()
    [3, None, None]
    """
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if isinstance(column, pa.Array | pa.ChunkedArray):
        column = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
    elif isinstance(column.dtype, pd.CategoricalDtype):
        column = without_categories(column)
    if (
        isinstance(column, pd.Series)
        and column.dtype != object
        and not isinstance(column.dtype, pd.StringDtype)
    ):
        column = pa.chunked_array([pa.array(column, from_pandas=True)])
    if isinstance(column, pa.ChunkedArray):
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_integer(column.type) and pa.types.is_integer(kind):
            return _in_range(column.combine_chunks(), kind)
        if _same_kind(column.type, kind):
            return pa.concat_arrays(column.cast(kind).chunks or [pa.array([], kind)])
        return _each(column.to_pylist(), kind)
    return _each(column, kind)


def _each(values: Iterable[Any], kind: pa.DataType) -> pa.Array:
    cells: pa.Array = pa.array([_or_null(v, kind, row) for row, v in enumerate(values)], kind)
    return cells


def exact_key(value: Any, kind: pa.DataType) -> Any:
    """Return one value as a key of a kind, None for a missing one.

    Raises
    ------
    UnknownKeyError
        No stored key can equal it.
    TypeError
        It is of another kind.

    Examples
    --------
    >>> exact_key(3.0, pa.int64()), exact_key("a", pa.string())
    (3, 'a')
    """
    if _is_missing(value):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if pa.types.is_integer(kind):
        return _whole(value, kind)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _text(value, kind)
    if pa.types.is_floating(kind):
        return _number(value, kind)
    if pa.types.is_boolean(kind):
        return _of_types(value, (bool,), kind)
    if pa.types.is_binary(kind):
        return _of_types(value, (bytes,), kind)
    if pa.types.is_timestamp(kind):
        return _of_types(value, (datetime, date), kind)
    return value


def named_kind(kind: pa.DataType) -> str:
    """Return what a key of a kind is, in words.

    Examples
    --------
    >>> named_kind(pa.int64()), named_kind(pa.string())
    ('a whole number', 'text')
    """
    words = (
        (pa.types.is_integer, "a whole number"),
        (pa.types.is_string, "text"),
        (pa.types.is_floating, "a number"),
        (pa.types.is_boolean, "true or false"),
        (pa.types.is_binary, "bytes"),
    )
    return next((said for fits, said in words if fits(kind)), str(kind))


def _or_null(value: Any, kind: pa.DataType, row: int) -> Any:
    try:
        return exact_key(value, kind)
    except UnknownKeyError:
        return None
    except TypeError as error:
        raise EmbfeastError(f"row {row}: {error}") from error


def _same_kind(given: pa.DataType, kind: pa.DataType) -> bool:
    texts = (pa.types.is_string, pa.types.is_large_string)
    return given == kind or all(any(fits(one) for fits in texts) for one in (given, kind))


def _in_range(column: pa.Array, kind: pa.DataType) -> pa.Array:
    (own_first, own_last), (first, last) = _range(column.type), _range(kind)
    fits = pc.and_(
        pc.greater_equal(column, pa.scalar(max(own_first, first), column.type)),
        pc.less_equal(column, pa.scalar(min(own_last, last), column.type)),
    )
    cells: pa.Array = pc.if_else(fits, column, pa.scalar(None, column.type)).cast(kind)
    return cells


def _range(kind: pa.DataType) -> tuple[int, int]:
    about = np.iinfo(kind.to_pandas_dtype())  # type: ignore[type-var]
    return int(about.min), int(about.max)


def _whole(value: Any, kind: pa.DataType) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction):
        raise _another_kind(value, kind)
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise UnknownKeyError
    first, last = _range(kind)
    if not first <= value <= last or value != int(value):
        raise UnknownKeyError
    if isinstance(value, float) and abs(value) >= MOST_EXACT:
        raise TypeError(
            f"{value!r} is a float of more digits than floats keep, which may stand for several "
            "whole numbers; give integers (pandas: Int64)"
        )
    return int(value)


def _number(value: Any, kind: pa.DataType) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction):
        raise _another_kind(value, kind)
    try:
        made = float(value)
    except OverflowError:
        raise UnknownKeyError from None
    if made != value or (pa.types.is_float32(kind) and float(np.float32(made)) != made):
        raise UnknownKeyError
    return made


def _text(value: Any, kind: pa.DataType) -> str:
    text: str = _of_types(str(value) if isinstance(value, UUID) else value, (str,), kind)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which no database holds
        raise UnknownKeyError from None
    return text


def _of_types(value: Any, types: tuple[type, ...], kind: pa.DataType) -> Any:
    if not isinstance(value, types):
        raise _another_kind(value, kind)
    return value


def _another_kind(value: Any, kind: pa.DataType) -> TypeError:
    said = f"{value!r:.60} ({type(value).__name__})"
    return TypeError(f"{said} is not {named_kind(kind)}; convert it to what the key is")


def _is_missing(value: Any) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, float) and math.isnan(value)
