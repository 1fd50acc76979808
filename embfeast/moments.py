"""Times that people give, as a table's own: microseconds in UTC, or a refusal that says why."""

import re
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from embfeast.errors import EmbfeastError

MOMENT = pa.timestamp("us", tz="UTC")
ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?")
# A number of this size as the time of a day between 1990 and 2100 is counted in that unit.
UNITS = (("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9))
FIRST, LAST = 631_152_000, 4_102_444_800
# The years 2 to 9999 are what every part of Feast can hold: Python reads back no epoch seconds of
# the first day of year 1.
BOUNDS = tuple(pa.scalar(m, MOMENT) for m in (-62_104_060_800 * 10**6, 253_402_300_800 * 10**6 - 1))


def exact_moments(column: pd.Series | pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column of times in microseconds and UTC; missing ones are null.

    Parameters
    ----------
    column : Series or Arrow array of length n
        Datetimes, dates, or text as ISO 8601 has it. Without a zone they are taken as UTC.

    Returns
    -------
    pyarrow.Array of length n, timestamp[us, tz=UTC]
        Nanoseconds are cut to microseconds.

    Raises
    ------
    EmbfeastError
        There are numbers (the message names the unit that they look like), text that is no time,
        or times outside the years 2 to 9999.

    Examples
    --------
    >>> exact_moments(pd.Series(["2026-06-01T12:00:00Z"])).to_pylist()[0].isoformat()
    '2026-06-01T12:00:00+00:00'
    """
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    elif isinstance(column, pd.Series):
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = without_categories(column)
        if column.dtype != object:
            column = _of_series(column)
    if isinstance(column, pa.Array):
        if pa.types.is_timestamp(column.type):
            return _in_bounds(_to_micros(column))
        if pa.types.is_null(column.type):
            return pa.nulls(len(column), MOMENT)
        column = pd.Series(column.to_pylist(), dtype=object)
    return _in_bounds(pa.array([_moment(v, row) for row, v in enumerate(column)], MOMENT))


def without_categories(column: pd.Series) -> pd.Series:
    """Return a categorical column as its values; a missing one does not make numbers floats.

    Examples
    --------
    >>> without_categories(pd.Series([2**60 + 1, None], dtype="Int64").astype("category"))[0]
    1152921504606846977
    """
    values = column.cat.categories
    if not column.hasnans:
        return column.astype(values.dtype)
    own = values.astype(object)
    cells = [None if code < 0 else own[code] for code in column.cat.codes]
    return pd.Series(cells, column.index, object, column.name)


def _of_series(column: pd.Series) -> pa.Array:
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
        present = column.dropna()
        if len(present):
            raise numbers_refused(present.iloc[0])
        return pa.array([None] * len(column), MOMENT)
    cells: pa.Array = pa.array(column, from_pandas=True)
    return cells


def _to_micros(column: pa.Array) -> pa.Array:
    if column.type.unit == "ns":  # as whole numbers: a cast refuses what has more digits
        numbers = column.cast(pa.int64())
        return _floor_thousandths(numbers).cast(MOMENT)
    try:
        micros = column.cast(pa.timestamp("us", tz=column.type.tz))
    except pa.ArrowInvalid as error:
        raise EmbfeastError("there are times outside the years 2 to 9999") from error
    return micros.cast(pa.int64()).cast(MOMENT)


def _floor_thousandths(numbers: pa.Array) -> pa.Array:
    values = np.floor_divide(numbers.fill_null(0).to_numpy(zero_copy_only=False), 1000)
    cells: pa.Array = pa.array(values, mask=numbers.is_null().to_numpy(zero_copy_only=False))
    return cells


def _moment(value: Any, row: int) -> datetime | None:
    if value is None or value is pd.NA or value is pd.NaT or (value != value):
        return None
    if isinstance(value, np.datetime64):
        if np.isnat(value):
            return None
        value = value.astype("datetime64[us]").item()
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime(warn=False)
    if isinstance(value, str):
        value = _of_text(value, row)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else _utc(value, row)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, bool) or not np.isscalar(value) or not isinstance(value, int | float):
        raise EmbfeastError(f"row {row}: {value!r:.60} ({type(value).__name__}) is no time")
    raise numbers_refused(value, row)


def _utc(value: datetime, row: int) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise EmbfeastError(f"row {row}: {value} lies outside the years 2 to 9999") from None


def _of_text(value: str, row: int) -> datetime:
    said = value.strip()
    try:
        if not ISO.fullmatch(said):
            raise ValueError
        return datetime.fromisoformat(said)
    except ValueError:
        raise EmbfeastError(
            f"row {row}: {value!r:.60} is no time; give text as ISO 8601 has it "
            "(2026-06-01T12:00:00Z)"
        ) from None


def numbers_refused(value: Any, row: int = 0) -> EmbfeastError:
    """Return the error for a number in the place of a time, with the unit that it looks like."""
    value = value.item() if isinstance(value, np.generic) else value
    unit = likely_unit(value)
    looks = f", which looks like {unit} since 1970" if unit else ""
    remedy = f"pd.to_datetime(column, unit={UNIT_NAMES[unit]!r}, utc=True)" if unit else "datetimes"
    return EmbfeastError(f"row {row}: {value!r} is a number{looks}; give {remedy}")


UNIT_NAMES = {"seconds": "s", "milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns"}


def likely_unit(value: Any) -> str | None:
    """Return the unit in which a number is a time since 1970, or None where it is none.

    Examples
    --------
    >>> likely_unit(1_780_000_000), likely_unit(1_780_000_000_000), likely_unit(2026)
    ('seconds', 'milliseconds', None)
    """
    size = abs(float(value))
    return next((unit for unit, factor in UNITS if FIRST * factor <= size < LAST * factor), None)


def _in_bounds(column: pa.Array) -> pa.Array:
    wrong = pc.or_(pc.less(column, BOUNDS[0]), pc.greater(column, BOUNDS[1]))
    if pc.any(wrong).as_py():
        row = pc.index(wrong, True).as_py()
        raise EmbfeastError(f"row {row}: its time lies outside the years 2 to 9999")
    return column
