"""Times written as numbers or texts are read as what they are, or asked about; never guessed."""

from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.scaffold.table import TextTable
from embfeast.scaffold.times import read_times

COUNT = 40
START = datetime(2024, 11, 27, 13, 45, 10, tzinfo=UTC)
MOMENTS = [START + timedelta(days=9 * i, seconds=61 * i) for i in range(COUNT)]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def seconds(moment):
    return round((moment - EPOCH).total_seconds())


def midnight(moment):
    return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


@pytest.fixture
def read():
    """Return what a column of values reads as, and what was said."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")

        def read(values, kind, name="sent", column="sent", **options):
            connection.execute(f'CREATE OR REPLACE TABLE t (id INT, "{column}" {kind})')
            connection.executemany("INSERT INTO t VALUES (?, ?)", list(enumerate(values)))
            table = TextTable(connection, "table 't'", "t")
            turned, notes = read_times(table, [name] if name else [], **options)
            if column not in turned:
                return None, notes
            sql = f"SELECT CAST({turned[column]} AS TIMESTAMPTZ) FROM t ORDER BY id"
            return [row[0] for row in connection.execute(sql).fetchall()], " / ".join(notes)

        yield read


NUMBERS = {
    "years": ([1950 + i for i in range(COUNT)], "INT", "years",
              [datetime(1950 + i, 1, 1, tzinfo=UTC) for i in range(COUNT)]),
    "years as floats": ([1950.0 + i for i in range(COUNT)], "DOUBLE", "years",
                        [datetime(1950 + i, 1, 1, tzinfo=UTC) for i in range(COUNT)]),
    "years as texts": ([str(1950 + i) for i in range(COUNT)], "VARCHAR", "years",
                       [datetime(1950 + i, 1, 1, tzinfo=UTC) for i in range(COUNT)]),
    "Excel serials": ([45_000 + i for i in range(COUNT)], "BIGINT", "Excel",
                      [datetime(2023, 3, 15, tzinfo=UTC) + timedelta(i) for i in range(COUNT)]),
    "Excel serials with a time": ([45_000.5 + i for i in range(COUNT)], "DOUBLE", "Excel",
                     [datetime(2023, 3, 15, 12, tzinfo=UTC) + timedelta(i) for i in range(COUNT)]),
    "seconds": ([seconds(m) for m in MOMENTS], "BIGINT", "seconds", MOMENTS),
    "seconds before 1970 too": ([seconds(m) - 10**9 * (i % 2 * 2) for i, m in enumerate(MOMENTS)],
        "BIGINT", "seconds",
        [m - timedelta(seconds=10**9 * (i % 2 * 2)) for i, m in enumerate(MOMENTS)]),
    "seconds as floats": ([seconds(m) + 0.25 for m in MOMENTS], "DOUBLE", "seconds",
                          [m + timedelta(milliseconds=250) for m in MOMENTS]),
    "seconds as texts": ([str(seconds(m)) for m in MOMENTS], "VARCHAR", "seconds", MOMENTS),
    "milliseconds": ([seconds(m) * 1000 + 7 for m in MOMENTS], "BIGINT", "milliseconds",
                     [m + timedelta(milliseconds=7) for m in MOMENTS]),
    "microseconds": ([seconds(m) * 10**6 + 7 for m in MOMENTS], "BIGINT", "microseconds",
                     [m + timedelta(microseconds=7) for m in MOMENTS]),
    "nanoseconds": ([seconds(m) * 10**9 for m in MOMENTS], "BIGINT", "nanoseconds", MOMENTS),
    "days written as a number": ([int(f"{m:%Y%m%d}") for m in MOMENTS], "INT", "month and day",
                                 [midnight(m) for m in MOMENTS]),
    "months written as a number": ([int(f"{m:%Y%m}") for m in MOMENTS], "INT", "year and month",
                                   [midnight(m).replace(day=1) for m in MOMENTS]),
    "moments written as a number": ([int(f"{m:%Y%m%d%H%M%S}") for m in MOMENTS], "BIGINT",
                                    "time of day", MOMENTS),
}  # fmt: skip


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_are_read_by_their_range_and_it_is_said(read, case):
    values, kind, says, moments = NUMBERS[case]
    found, said = read(values, kind)
    assert found == moments
    assert says in said
    assert "--time-format" in said


FORMATS = [
    "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%y", "%d/%m/%Y", "%d/%m/%y %H:%M:%S", "%m/%d/%Y",
    "%m/%d/%y", "%m/%d/%Y %I:%M %p", "%m/%d/%Y, %I:%M:%S %p", "%d-%m-%Y %H:%M", "%d %b %Y",
    "%d %B %Y %H:%M", "%b %d, %Y", "%B %d, %Y", "%d-%b-%y", "%a, %d %b %Y %H:%M:%S +0000",
    "%a %b %d %H:%M:%S +0000 %Y", "%a %b %d %H:%M:%S %Y", "%Y.%m.%d", "%Y/%m/%d %H:%M",
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%m %d, %Y", "%Y%m%d",
    "%Y年%m月%d日", "%Y年%m月%d日 %H:%M",
]  # fmt: skip


@pytest.mark.parametrize("written", FORMATS)
def test_dates_as_people_write_them_are_read(read, written):
    found, said = read([m.strftime(written) for m in MOMENTS], "VARCHAR")
    stored = [datetime.strptime(m.strftime(written), written).replace(tzinfo=UTC) for m in MOMENTS]
    assert found == stored
    assert "taken as" in said
    assert ("in UTC where no zone is written" in said) == (written != "%Y%m%d")  # a number


def test_offsets_from_utc_are_kept(read):
    found, _ = read(["27/11/2024 13:45:10 +0200", "28/11/2024 13:45:10 +0200"], "VARCHAR")
    assert found[0] == datetime(2024, 11, 27, 11, 45, 10, tzinfo=UTC)


def test_dates_with_and_without_a_time_of_day_are_read_beside_each_other(read):
    found, _ = read(["27.11.2024", "28.11.2024 10:30", " ", None], "VARCHAR")
    assert found[:2] == [
        datetime(2024, 11, 27, tzinfo=UTC),
        datetime(2024, 11, 28, 10, 30, tzinfo=UTC),
    ]
    assert found[2:] == [None, None]


AMBIGUOUS = [f"{1 + i % 12:02d}/{1 + i % 7:02d}/2024" for i in range(COUNT)]


@pytest.mark.parametrize("mark", ["/", "-"])
def test_a_day_that_may_be_a_month_is_asked_about(read, mark):
    values = [value.replace("/", mark) for value in AMBIGUOUS]
    with pytest.raises(EmbfeastError, match="--time-format day-first or --time-format month-first"):
        read(values, "VARCHAR")
    for answer, order in (("day-first", "%d/%m/%Y"), ("month-first", "%m/%d/%Y")):
        expected = [datetime.strptime(v, order).replace(tzinfo=UTC) for v in AMBIGUOUS]
        assert read(values, "VARCHAR", choose=lambda _, names, a=answer: a)[0] == expected
        assert read(values, "VARCHAR", given=answer)[0] == expected


def test_one_late_day_over_twelve_decides(read):
    found, said = read([*AMBIGUOUS * 20, "31/12/2024"], "VARCHAR")
    assert found[-1] == datetime(2024, 12, 31, tzinfo=UTC)
    assert "day first" in said


def test_days_that_are_the_same_either_way_are_not_asked_about(read):
    assert read(["03/03/2024", "04/04/2024"], "VARCHAR")[0][0] == datetime(2024, 3, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([*(seconds(m) for m in MOMENTS), 0], "BIGINT", "1 of 41 numbers would be times of 1970"),
        (list(range(COUNT)), "BIGINT", "from 0 to 39, .*of 1970"),
        ([20_000 + i for i in range(COUNT)], "BIGINT", "serial numbers or as days since 1970"),
        ([*(m.strftime("%d.%m.%Y") for m in MOMENTS), "soon"], "VARCHAR", "do not all read"),
        ([*(seconds(m) for m in MOMENTS), seconds(START) * 1000], "BIGINT", "units are mixed"),
        ([[1]], "INT[]", "not a time"),
        ([True, False], "BOOLEAN", "not a time"),
    ],
)
def test_what_reads_as_no_time_is_questioned(read, values, kind, message):
    with pytest.raises(EmbfeastError, match=message) as said:
        read(values, kind)
    assert "to_timestamp" not in str(said.value)


def test_an_answer_is_taken_literally_or_refused(read):
    days = [20_000, 20_001]
    assert read(days, "INT", given="days")[0][0] == datetime(2024, 10, 4, tzinfo=UTC)
    assert read(days, "INT", given="excel")[0][0] == datetime(1954, 10, 3, tzinfo=UTC)
    assert read(["04|10|24"], "VARCHAR", given="%d|%m|%y")[0][0].day == 4
    assert read([0], "INT", given="s")[0] == [EPOCH]
    with pytest.raises(EmbfeastError, match="choose from year"):
        read(days, "INT", given="weeks")
    with pytest.raises(EmbfeastError, match="table 't'"):
        read(["x"], "VARCHAR", given="%d|%m|%y")
    with pytest.raises(EmbfeastError, match="no time yet"):
        read([date(2026, 1, 1)], "DATE", given="year")


def test_a_time_is_found_where_no_column_has_its_type(read):
    assert read(NUMBERS["seconds"][0], "BIGINT", name=None, column="created_utc")[0] == MOMENTS
    assert read([m.strftime("%d %b %Y") for m in MOMENTS], "VARCHAR", name=None)[0]


@pytest.mark.parametrize("column", ["words", "status", "zip"])
def test_numbers_whose_name_speaks_of_no_time_are_not_taken_for_one(read, column):
    assert read([2000 + i for i in range(COUNT)], "INT", name=None, column=column)[0] is None


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    moments=st.lists(
        st.datetimes(datetime(1900, 1, 2), datetime(2090, 1, 1)), min_size=1, max_size=8
    ),
    written=st.sampled_from(FORMATS),
)
def test_any_dates_come_back_or_are_asked_about(read, moments, written):
    values = [moment.strftime(written) for moment in moments]
    try:
        found, _ = read(values, "VARCHAR")
    except EmbfeastError:
        return
    century = timedelta(days=36_525)
    for value, back in zip(values, found, strict=True):
        right = datetime.strptime(value, written).replace(tzinfo=UTC)
        assert back == right or ("%y" in written and abs(back - right) == century)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    moments=st.lists(
        st.datetimes(datetime(1910, 1, 1), datetime(2090, 1, 1)), min_size=1, max_size=8
    ),
    unit=st.sampled_from([1, 10**3, 10**6, 10**9]),
)
def test_any_epochs_come_back_or_are_asked_about(read, moments, unit):
    whole = [seconds(moment.replace(tzinfo=UTC)) for moment in moments]
    try:
        found, said = read([value * unit for value in whole], "BIGINT")
    except EmbfeastError:
        return
    assert found == [EPOCH + timedelta(seconds=value) for value in whole], said


@pytest.mark.parametrize("zone", ["BST", "IST", "CST", " EST"])
def test_zones_by_letters_that_mean_several_are_never_guessed(read, zone):
    values = [f"{moment:%Y-%m-%d %H:%M:%S} {zone}" for moment in MOMENTS]
    with pytest.raises(EmbfeastError, match="do not all read as times"):
        read(values, "VARCHAR")
    with pytest.raises(EmbfeastError, match="do not all read as times"):
        read([f"{moment:%d %b %Y %H:%M:%S} {zone}" for moment in MOMENTS], "VARCHAR")
    assert read([v.replace(zone, "UTC") for v in values], "VARCHAR")[0] == MOMENTS


def test_minus_one_for_a_missing_time_is_questioned(read):
    values = [seconds(moment) for moment in MOMENTS[1:]]
    with pytest.raises(EmbfeastError, match=r"1 of 40 numbers would be times of 1970 \(or 1969\)"):
        read([-1, *values], "BIGINT")
