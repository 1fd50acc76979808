"""Times written as numbers or texts: how they read, and the SQL that turns them into times.

What can be read in two ways is asked, never guessed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import product

from feast.value_type import ValueType

from embfeast.errors import EmbfeastError
from embfeast.scaffold.names import shown
from embfeast.scaffold.roles import TIME_NAMES, Choose, likely_time
from embfeast.scaffold.table import LOOKED_AT, Column, TextTable
from embfeast.texts.database import literal, quote

NUMBERS = (ValueType.INT32, ValueType.INT64, ValueType.FLOAT, ValueType.DOUBLE)
# Words in the name of a column of numbers that may be times.
SAID = {*TIME_NAMES, "year", "at", "on", "ts", "epoch", "day", "utc", "datetime", "unix", "written"}
SAID |= {"released", "published", "posted", "updated", "month", "seen", "sent", "received"}
# Texts of one shape that are looked at.
EXAMPLES = 30
A_YEAR = 366 * 86_400
# A clock that was cut, 10:15:3 say, of which DuckDB takes the rest for a whole.
CUT = r"([:+]\d?|:\d\d-\d?)\s*$"


@dataclass(frozen=True)
class Reading:
    """One way to read a column's values as times.

    `name` is what ``--time-format`` calls it, `sql` the time in UTC of a value ``{v}``, and `says`
    what the values are taken for. The greatest of numbers is from `least` to `most`.
    """

    name: str
    sql: str
    says: str
    least: float = 0
    most: float = 0

    def of(self, column: Column) -> str:
        """Return the SQL of a column's times."""
        return self.sql.replace("{v}", quote(column.name))

    def of_numbers_as_text(self) -> "Reading":
        """Return the reading of the same numbers in a column of texts."""
        if "strptime" in self.sql:  # reads texts anyway
            return self
        return replace(self, sql=self.sql.replace("{v}", "CAST(nullif(trim({v}), '') AS DOUBLE)"))


def _since(origin: str, microseconds: float) -> str:
    whole = f"CAST(round(CAST({{v}} AS DOUBLE) * {microseconds}) AS BIGINT)"
    if microseconds >= 1:
        whole = f"CAST(round({{v}} * CAST({microseconds:.0f} AS DECIMAL(18, 0))) AS BIGINT)"
    return f"(TIMESTAMPTZ '{origin} 00:00:00+00' + to_microseconds({whole}))"


def _days(origin: str) -> str:
    """Return the SQL of days with a fraction, which is exact to about a millisecond."""
    whole = "CAST(round(CAST({v} AS DOUBLE) * 86400000) AS BIGINT)"
    return f"(TIMESTAMPTZ '{origin} 00:00:00+00' + to_milliseconds({whole}))"


def _written(*formats: str) -> str:
    said = ", ".join(map(literal, formats))
    return f"CAST(strptime(nullif(trim(CAST({{v}} AS VARCHAR)), ''), [{said}]) AS TIMESTAMPTZ)"


YEAR = "CAST(make_date(CAST({v} AS BIGINT), 1, 1) AS TIMESTAMPTZ)"
SECONDS = "%Y%m%d%H%M%S"
NUMERIC = [
    Reading("year", YEAR, "years, each as its 1 January UTC", 1000, 2200),
    Reading("%Y%m", _written("%Y%m"), "year and month", 190_001, 220_012),
    Reading("%Y%m%d", _written("%Y%m%d"), "year, month and day", 19_000_101, 22_001_231),
    Reading(SECONDS, _written(SECONDS), "year, month, day and time of day", 1900e10, 2201e10),
    Reading("excel", _days("1899-12-30"), "Excel's serial numbers", 10_000, 80_000),
    Reading("days", _days("1970-01-01"), "days since 1970", 10_957, 22_000),
    Reading("s", _since("1970-01-01", 1e6), "seconds since 1970", 1e8, 5e9),
    Reading("ms", _since("1970-01-01", 1e3), "milliseconds since 1970", 1e11, 5e12),
    Reading("us", _since("1970-01-01", 1), "microseconds since 1970", 1e14, 5e15),
    Reading("ns", _since("1970-01-01", 1e-3), "nanoseconds since 1970", 1e17, 5e18),
]
EPOCHS = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}

CLOCKS = ["", *(f"{part}{c}" for part, c in product(
    (" ", ", ", "T"), ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
))]  # fmt: skip
ZONES = ["", "%z", " %z", " %Z", "Z"]
DAYS = {
    "day-first": ["%d/%m/%y", "%d/%m/%Y", "%d-%m-%y", "%d-%m-%Y", "%d.%m.%y", "%d.%m.%Y"],
    "month-first": ["%m/%d/%y", "%m/%d/%Y", "%m-%d-%y", "%m-%d-%Y", "%m %d, %Y"],
    "named": [
        *("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%d. %B %Y", "%b %d, %Y", "%B %d, %Y"),
        *("%b %d %Y", "%B %d %Y", "%a, %d %b %Y", "%a %b %d %Y", "%A, %B %d, %Y", "%b %Y", "%B %Y"),
    ],
    "year-first": ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y-%m", "%Y/%m", "%Y年%m月%d日"],
}
WHOLE = {"named": ["%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y"]}
SAYS = {
    "day-first": "dates with the day first",
    "month-first": "dates with the month first",
    "named": "dates with the month's name",
    "year-first": "dates with the year first",
}


def read_times(
    table: TextTable,
    names: Sequence[str],
    given: str | None = None,
    choose: Choose | None = None,
) -> tuple[dict[str, str], list[str]]:
    """Return the SQL that turns columns of no such type into times, and a line on each.

    Without names the likeliest column is taken, where none is of a type of times. `given` says how
    they read: ``year``, ``excel``, ``s``, ``day-first``, a format of strptime. `choose` is asked
    where a column reads in several ways; without it that is refused.
    """
    named = [table.columns[name] for name in names if name in table.columns]
    wanted = [column for column in named if not column.is_time]
    if not names and not any(column.is_time for column in table.columns.values()):
        found = [c for c in table.columns.values() if _may_be_time(table, c)]
        wanted = sorted(found, key=likely_time)[:1]
    if given and not wanted:
        raise EmbfeastError("--time-format is for a column that is no time yet; name it by --time")
    turned, notes = {}, []
    for column in wanted:
        reading = _reading(table, column, given, choose)
        turned[column.name] = reading.of(column)
        value = f"CAST({reading.of(column)} AS VARCHAR)"
        first, last = (str(end)[:10] for end in table.first(f"min({value}), max({value})"))
        numeric = any(reading.name == one.name for one in NUMERIC)
        zone = "" if numeric else ", in UTC where no zone is written"
        notes.append(
            f"{shown(column.name)}: taken as {reading.says}{zone}, from {first} to "
            f"{last}; if that is wrong, say --time-format"
        )
    return turned, notes


def _may_be_time(table: TextTable, column: Column) -> bool:
    if column.nulls == table.rows:
        return False
    if column.is_text and column.reads_as != "number":
        return column.length < 40 and bool(_texts(table, column))
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.name).lower()
    said = SAID & {words, *re.split(r"[\W_]+", words)}
    return bool(said) and _is_numeric(column) and bool(_numbers(table, column))


def _is_numeric(column: Column) -> bool:
    return column.value_type in NUMBERS or column.reads_as == "number"


def _reading(table: TextTable, column: Column, given: str | None, choose: Choose | None) -> Reading:
    where = f"{table.name}: column {shown(column.name)!r}"
    if given:
        return _given(table, column, given, where)
    if not column.is_text and not _is_numeric(column):
        raise EmbfeastError(f"{where} is {column.kind}, not a time; name another with --time")
    found = _numbers(table, column) if _is_numeric(column) else _texts(table, column)
    if not found:
        raise EmbfeastError(_no_reading(table, column, where))
    if len(found) > 1:
        names = [reading.name for reading in found]
        if choose is None:
            example = _example(table, column, found)
            raise EmbfeastError(
                f"{where} can be read as {' or as '.join(r.says for r in found)}, say {example}; "
                f"give --time-format {' or --time-format '.join(names)}"
            )
        chosen = choose(f"How does {shown(column.name)} read?", names)
        found = [reading for reading in found if reading.name == chosen]
    if found[0].name in EPOCHS:
        _question_1970(table, column, found[0], where)
    return found[0]


def _given(table: TextTable, column: Column, given: str, where: str) -> Reading:
    known = {reading.name: reading for reading in NUMERIC}
    if given in known:
        reading = known[given].of_numbers_as_text() if column.is_text else known[given]
    elif given in DAYS:
        plain = Reading(given, _written(*DAYS[given]), SAYS[given])
        reading = next((r for r in _texts(table, column) if r.name == given), plain)
    elif "%" in given:
        reading = Reading(given, _written(given), f"written as {given}")
    else:
        raise EmbfeastError(
            f"--time-format {given}: choose from {', '.join([*known, *DAYS])}, or give a format "
            "like %d.%m.%Y"
        )
    table.first(f"max({reading.of(column)})")
    if not _fits(table, column, reading):
        raise EmbfeastError(
            f"{where}: some values read as {reading.says} would be of no year from 1000 to 2999",
            "mend them (the file may be cut short), or leave them out by --query",
        )
    return reading


def _numbers(table: TextTable, column: Column) -> list[Reading]:
    """Return the readings whose range all of a column's numbers are in."""
    value = f"TRY_CAST({quote(column.name)} AS DOUBLE)"
    least, most, whole = table.first(
        f"min({value}), max({value}), bool_and({value} = floor({value}))", f"isfinite({value})"
    )
    if least is None:
        return []
    found = []
    for reading in NUMERIC:
        epoch = reading.name in EPOCHS
        lowest = -reading.most if epoch else reading.least
        if not (lowest <= least and reading.least <= max(most, -least) and most <= reading.most):
            continue
        if not epoch and reading.name not in ("excel", "days") and not whole:
            continue
        found.append(reading.of_numbers_as_text() if column.is_text else reading)
    return [reading for reading in found if _fits(table, column, reading)]


def _fits(table: TextTable, column: Column, reading: Reading) -> bool:
    """Tell whether every value reads so, over all rows, as a time of a year of four digits."""
    value = reading.of(column).replace("strptime", "try_strptime")
    filled = f"nullif(trim(CAST({quote(column.name)} AS VARCHAR)), '') IS NOT NULL"
    fine = f"coalesce(year({value}) BETWEEN 1000 AND 2999, false)"
    return not table.count(f"{filled} AND NOT {fine}")


def _question_1970(table: TextTable, column: Column, reading: Reading, where: str) -> None:
    value = f"abs(CAST({quote(column.name)} AS DOUBLE))"
    near = f"{value} < {A_YEAR * EPOCHS[reading.name]}"
    if count := table.count(near):
        raise EmbfeastError(
            f"{where}: {count:,} of {table.rows:,} numbers would be times of 1970 (or 1969), as "
            f"where a missing time is written as 0 or -1, or units are mixed; leave them out: "
            f"{table.as_query('*', f'NOT ({near})')}, or take them so: --time-format "
            f"{reading.name}"
        )


def _no_reading(table: TextTable, column: Column, where: str) -> str:
    names = ", ".join([*(reading.name for reading in NUMERIC), *DAYS])
    say = f"say how they read with --time-format ({names}, or a format like %d.%m.%Y)"
    name = quote(column.name)
    if not _is_numeric(column):
        (value,) = table.first(f"any_value({name})")
        example = "" if value is None else f" ({shown(str(value))!r})"
        return f"{where} holds texts that do not all read as times{example}; {say}"
    least, most = table.first(f"min({name}), max({name})")
    return (
        f"{where} holds numbers from {least} to {most}, which are no times as far as can be told "
        f"(as seconds they would be of 1970); {say}, or name another column with --time"
    )


def _texts(table: TextTable, column: Column) -> list[Reading]:
    """Return the readings that all of a column's texts have; those that agree are one."""
    name = quote(column.name)
    if table.count(f"regexp_matches({name}, {literal(CUT)})") or _by_letters(table, name):
        return []
    iso = Reading("iso", "CAST(nullif(trim({v}), '') AS TIMESTAMPTZ)", "times in ISO 8601")
    dated = f"regexp_matches({name}, '^\\s*\\d{{4}}-')"
    reads = f"coalesce({dated} AND TRY_CAST({name} AS TIMESTAMPTZ) IS NOT NULL, false)"
    if not table.count(f"trim({name}) <> '' AND NOT {reads}"):
        return [iso]
    used = _used(table, name).items()
    found = [Reading(family, _written(*formats), SAYS[family]) for family, formats in used]
    found = [reading for reading in found if _fits(table, column, reading)]
    if len(found) > 1:
        first, *others = (reading.of(column) for reading in found)
        if not table.count(" OR ".join(f"{first} <> {other}" for other in others)):
            return found[:1]
    return found


def _by_letters(table: TextTable, name: str) -> int:
    """Count zones by letters, which mean several: BST is London's summer, DuckDB's is Dhaka."""
    zone = f"upper(regexp_extract({name}, ':\\d+(?:\\.\\d+)? ?([A-Za-z]{{1,5}})\\s*$', 1))"
    return table.count(f"{zone} NOT IN ('', 'UTC', 'GMT', 'Z', 'AM', 'PM')")


def _used(table: TextTable, name: str) -> dict[str, list[str]]:
    """Return the formats, by family, that some texts of a sample have."""
    rows = table.ask(
        f"SELECT DISTINCT nullif(trim({name}), '') FROM {table.relation} "
        f"USING SAMPLE reservoir({LOOKED_AT} ROWS) REPEATABLE (0)"
    )
    by_shape: dict[str, list[str]] = {}
    for value in sorted(row[0] for row in rows if row[0]):
        by_shape.setdefault(_shape(value), []).append(value)
    used: dict[str, list[str]] = {}
    for shape, values in by_shape.items():
        for family, written in _shapes().get(shape, []):
            year = f"year(try_strptime(unnest($values), {literal(written)}))"
            some = values[:: max(1, len(values) // EXAMPLES)]
            years = table.ask(f"SELECT {year}", {"values": some})
            if any(1000 <= (row[0] or 0) <= 2999 for row in years):
                used.setdefault(family, []).append(written)
    return {family: list(dict.fromkeys(formats)) for family, formats in used.items()}


@cache
def _shapes() -> dict[str, list[tuple[str, str]]]:
    """Return the families and formats by the shape of what is written in them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for family, days in DAYS.items():
        formats = [f"{d}{c}{z}" for d, c, z in product(days, CLOCKS, ZONES) if c or not z]
        for written in [*formats, *WHOLE.get(family, [])]:
            shape = _shape(datetime(2024, 11, 27, 13, 45, 10, 5, UTC).strftime(written))
            found.setdefault(shape, []).append((family, written))
    return found


def _shape(written: str) -> str:
    """Return what a date looks like: ``27.11.2024 9:30`` is ``0.0.0 0:0``."""
    zoned = re.sub(r"(?<=\d) ?[+-]\d{2}(:?\d{2})?(?= |$)", "+", written)
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", zoned))


def _example(table: TextTable, column: Column, found: Sequence[Reading]) -> str:
    """Return a value that differs between two readings."""
    name = quote(column.name)
    one, other = (reading.of(column) for reading in found[:2])
    value, first, second = table.first(f"{name}, {one}, {other}", f"{one} <> {other}")
    return f"{value!r} as {first:%Y-%m-%d} or {second:%Y-%m-%d}"
