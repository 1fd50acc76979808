from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast.errors import EmbfeastError
from embfeast.moments import exact_moments, likely_unit

zones = st.sampled_from(
    [None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=11))]
)
moments = st.datetimes(datetime(2, 1, 2), datetime(9999, 12, 30), timezones=zones)


def in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(moments, st.none()), max_size=5))
def test_datetimes_of_any_year_and_zone_are_the_same_moment(given_values):
    made = exact_moments(pd.Series(given_values, dtype=object))
    assert made.to_pylist() == [None if v is None else in_utc(v) for v in given_values]


@settings(max_examples=300, deadline=None)
@given(moments)
def test_text_as_iso_8601_is_the_same_moment(moment):
    assert exact_moments(pd.Series([moment.isoformat()])).to_pylist() == [in_utc(moment)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
def test_every_unit_of_pandas_and_arrow_is_taken(unit, zone):
    series = pd.Series(pd.to_datetime(["1969-07-20 20:17:40", "2026-03-29 02:30:00"])).astype(
        f"datetime64[{unit}]"
    )
    if zone:
        series = series.dt.tz_localize("UTC").dt.tz_convert(zone)
    expected = [
        datetime(1969, 7, 20, 20, 17, 40, tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, tzinfo=UTC),
    ]
    assert exact_moments(series).to_pylist() == expected
    assert exact_moments(pa.array(series, from_pandas=True)).to_pylist() == expected


def test_nanoseconds_are_cut_downwards_before_1970_too():
    series = pd.Series(np.array([-1, 1_999], dtype="datetime64[ns]"))
    micros = exact_moments(series).cast(pa.int64()).to_pylist()
    assert micros == [-1, 1]


@pytest.mark.parametrize(
    ("number", "unit"),
    [(1_780_000_000, "seconds"), (1_780_000_000_123, "milliseconds"), (1.78e18, "nanoseconds")],
)
def test_numbers_are_refused_with_the_unit_that_they_look_like(number, unit):
    for column in (pd.Series([number]), pd.Series([None, number], dtype=object)):
        with pytest.raises(EmbfeastError, match=unit):
            exact_moments(column)


@pytest.mark.parametrize(
    "value", [2026, True, "next week", "01/02/2026", [1], b"2026-01-01", "infinity"]
)
def test_what_is_no_time_is_refused_with_its_row(value):
    with pytest.raises(EmbfeastError, match="row 1"):
        exact_moments(pd.Series([date(2026, 1, 1), value], dtype=object))


def test_infinite_and_far_times_end_in_an_error_that_says_so():
    with pytest.raises(EmbfeastError, match="years 2 to 9999"):
        exact_moments(pa.array([2**63 - 1], pa.timestamp("us", "UTC")))
    with pytest.raises(EmbfeastError, match="years 2 to 9999"):
        exact_moments(pa.array([2**60], pa.timestamp("s")))
    with pytest.raises(EmbfeastError, match=r"row 1: .*years 2 to 9999"):
        exact_moments(pd.Series([datetime(2, 1, 1), datetime(1, 1, 1)], dtype=object))


def test_missing_times_are_null():
    assert exact_moments(pd.Series([None, pd.NaT], dtype=object)).null_count == 2
    assert exact_moments(pd.Series([np.nan, np.nan])).null_count == 2
    assert likely_unit(2026) is None


def test_the_doubled_hour_of_a_zone_is_told_apart_and_of_naive_times_is_utc():
    zone = ZoneInfo("America/New_York")
    twice = [datetime(2026, 11, 1, 1, 30, tzinfo=zone, fold=fold) for fold in (0, 1)]
    want = [datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in (5, 6)]
    assert exact_moments(pd.Series(twice, dtype=object)).to_pylist() == want
    assert exact_moments(pd.Series(twice)).to_pylist() == want
    naive = datetime(2026, 11, 1, 1, 30, fold=1)
    assert exact_moments(pd.Series([naive], dtype=object))[0].as_py() == naive.replace(tzinfo=UTC)


def test_categories_with_a_gap_are_read_as_their_values():
    times = pd.Series([datetime(2026, 3, 1), None]).astype("category")
    assert exact_moments(times).to_pylist() == [datetime(2026, 3, 1, tzinfo=UTC), None]
    with pytest.raises(EmbfeastError, match="is a number"):
        exact_moments(pd.Series([2026, None], dtype="Int64").astype("category"))
