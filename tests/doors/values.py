"""What people put where a key, a time or a name is asked for, and what it means in plain Python."""

import datetime as dt
import math
import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

ZONES = [None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))]


def plain(value: Any) -> Any:
    """Return a value as plain Python has it; None for a missing one."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.datetime64 | np.timedelta64):
        return None if np.isnat(value) else value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, Decimal) and value.is_nan():
        return None
    return value


def whole_number(value: Any) -> int | None:
    """Return the whole number that a value is, None where it is none: True is no 1, "1" is none."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction):
        return None
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        return None
    return int(value) if value == math.floor(value) else None


# Keys of a table whose own are 0 to 11.
keys = st.one_of(
    st.integers(0, 11),
    st.integers(0, 11).map(float),
    st.floats(-1, 12),
    st.sampled_from(
        [
            *[None, True, False, np.nan, pd.NA, pd.NaT, "3", "3.4", "6.6", "", " 3", "٣", b"3"],
            *[3.4, -0.0, 1e300, math.inf, 2.0**53, 2**63, -(2**63) - 1, 2**40, -1],
            *[Decimal("3"), Decimal("3.4"), Decimal("NaN"), Fraction(3), Fraction(1, 3)],
            *[np.int8(3), np.uint64(2**64 - 1), np.float32(3.4), np.bool_(True)],
            *[uuid.UUID(int=3), (3,), [3], {"a": 3}, datetime(2026, 1, 3, tzinfo=UTC)],
        ]
    ),
    st.decimals(-1, 12, places=1),
    st.text(max_size=3),
)

moments = st.one_of(
    st.datetimes(datetime(2026, 2, 27), datetime(2026, 3, 20), timezones=st.sampled_from(ZONES)),
    st.dates(dt.date(2026, 2, 27), dt.date(2026, 3, 20)),
    st.sampled_from(
        [
            *[datetime(1960, 1, 1, tzinfo=UTC), datetime(9999, 12, 31), datetime(1, 1, 1)],
            *[pd.Timestamp("2026-03-05 10:00"), np.datetime64("2026-03-06T01:02:03.123456789")],
            *["2026-03-05", "2026-03-05T10:00:00+02:00", "2026-03-05 10:00:00.5Z"],
            *["05/03/2026", "next week", "infinity", "", "20260305"],
            *[1_772_000_000, 1_772_000_000_000, 1.77e18, 2026, 46000, True, math.inf],
            *[None, pd.NaT, np.nan, dt.time(1, 2), timedelta(days=1), [2026]],
        ]
    ),
)


def moment(value: Any) -> datetime | None:
    """Return the moment in UTC that a value is, None where it is missing.

    Raises ValueError where a careful reader would ask back.
    """
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime(warn=False)
    value = plain(value)
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, dt.date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError(value)


names = st.sampled_from(
    [
        *["note", "select", "order", "reduced", "cluster", "review_reduced_digest", "embedding"],
        *["event_timestamp_", "created_timestamp", "spine_row", "embfeast_place", "filename"],
        *["file_row_number", "Reduced", "naïve", "列", 'quo"te', "a b", "", "feature_0", "r", "m"],
    ]
)
