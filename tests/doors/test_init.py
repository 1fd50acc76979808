"""The door of files for `init`: what is loaded is what the file says, or the file is refused."""

import csv
import gzip
import io
import itertools
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.plugin import DuckDBSource
from embfeast.scaffold.delimited import Layout
from embfeast.scaffold.place import find_place
from embfeast.scaffold.roles import Roles, find_roles
from embfeast.scaffold.survey import survey
from embfeast.scaffold.table import open_table
from embfeast.scaffold.times import read_times
from tests.doors import FILES

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:source .* has no time zone")]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SERIAL_ZERO = datetime(1899, 12, 30, tzinfo=UTC)
# How people write a moment: to what it is exact, and how it reads in plain Python.
WRITTEN = {
    "%Y-%m-%dT%H:%M:%SZ": "s",
    "%Y-%m-%d %H:%M:%S": "s",
    "%Y-%m-%dT%H:%M:%S.%f+00:00": "us",
    "%Y-%m-%d": "day",
    "%d/%m/%Y": "day",
    "%m/%d/%Y": "day",
    "%d.%m.%Y %H:%M": "minute",
    "%m/%d/%Y %I:%M:%S %p": "s",
    "%d %B %Y": "day",
    "%b %d, %Y": "day",
    "%Y%m%d": "day",
    "%Y": "year",
}
COUNTED = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
LONG = "How satisfied are you, all in all, with what we answered to your question? "
NAMES = [
    *["select", "order", "text", "row_id", "filename", "file_row_number", "known_since", "column0"],
    *["event_timestamp", "embfeast_place", "naïve", "列", 'quo"te', "it's", "a b", "{v}", "$as_of"],
    *["%s", "a.b", "Id", "ID", "NULL", "x\ty", "a,b", LONG, LONG + "(2)", "t", "value", "sep=;"],
]
letters = st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0")
cells = st.text(st.one_of(st.sampled_from(",;\t|\"'\n\r \\#=%"), letters), max_size=12)
phrases = st.one_of(
    st.builds("{} refund of a parcel{}".format, st.sampled_from(["Late", "An early"]), cells),
    st.sampled_from(["", " ", "NULL", "null", "nan", "é ü ß ñ", "x" * 100_000, '"quoted"', "\\N"]),
    cells,
)
others = st.one_of(
    st.sampled_from(
        ["true", "false", "1", "0", "007", "1e5", "1.50", "NaN", "inf", "", "-0", "1_0"]
    ),
    st.sampled_from(["2026-01-01", "24:00:00", "12345678901234567890", "0x1F", "١٢", "+5", ".5"]),
    cells,
)
keys = {
    "number": st.integers(-(2**63), 2**63 - 1).map(str),
    "digits": st.integers(0, 999).map("{:04d}".format),
    "word": st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=6),
    "uuid": st.uuids().map(str),
}
numbers = itertools.count()


def moment(cell, style):
    """Read a cell in plain Python; None where it is no time of this style."""
    try:
        return parsed(cell, style)
    except ValueError:
        return None


def parsed(cell, style):
    if style == "excel":
        days, half = divmod(float(cell), 1)
        return SERIAL_ZERO + timedelta(days=days, seconds=round(half * 86_400))
    if style in COUNTED:
        return EPOCH + timedelta(microseconds=int(cell) * 10**6 // COUNTED[style])
    if "T" in style:
        read = datetime.fromisoformat(cell.strip())
        return read if read.tzinfo else read.replace(tzinfo=UTC)
    return datetime.strptime(cell.strip(), style).replace(tzinfo=UTC)


def written(time, style):
    if style == "excel":
        return repr((time - SERIAL_ZERO) / timedelta(days=1))
    if style in COUNTED:
        return str((time - EPOCH) // timedelta(seconds=1) * COUNTED[style])
    return time.strftime(style)


@st.composite
def tables(draw):
    """Names and rows of texts; which columns are key, text and time; how times are written."""
    style = draw(st.sampled_from([*WRITTEN, *COUNTED, "excel"]))
    some = draw(st.lists(st.sampled_from(NAMES), min_size=3, max_size=5, unique=True))
    if len(some) == 5 and draw(st.booleans()):
        some[-1] = some[-2]
    key = keys[draw(st.sampled_from(sorted(keys)))]
    times = st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1)).map(
        lambda time: written(time.replace(microsecond=0, tzinfo=UTC), style)
    )
    size = draw(st.integers(1, 6))
    unique = draw(st.integers(0, 9)) > 0
    columns = [
        draw(st.lists(key, min_size=size, max_size=size, unique=unique)),
        draw(st.lists(phrases, min_size=size, max_size=size)),
        draw(st.lists(times, min_size=size, max_size=size)),
        *(draw(st.lists(others, min_size=size, max_size=size)) for _ in some[3:]),
    ]
    order = draw(st.permutations(range(len(some))))
    rows = [tuple(columns[i][row] for i in order) for row in range(size)]
    return [some[i] for i in order], rows, [order.index(i) for i in range(3)], style


def taken(file, layout, roles, time_format=None):
    """Return rows of key, text and time as `init`'s source reads them."""
    repo = file.parent / "repo"
    with find_place(repo, file=file, layout=layout) as place:
        with open_table(place.database, place.table, place.query) as opened:
            turned, _ = read_times(opened, [roles.time], time_format)
        place = place.replacing(turned) if turned else place
        with open_table(place.database, place.table, place.query) as opened:
            found = find_roles(opened, roles)
            survey(opened, found)
        source = DuckDBSource(
            name="texts",
            database=str(place.database),
            table=place.table,
            query=place.query,
            text_columns=found.text,
            timestamp_field=found.time,
        )
        with source.open(repo, found.key) as opened:
            opened.check_rows()
            names = [*found.key, *found.text, found.time]
            return [tuple(row[n] for n in names) for c in opened.read() for row in c.to_pylist()]


def shown(text):
    return text if text and text.strip() else ""


@FILES
@given(
    made=tables(),
    delimiter=st.sampled_from([",", ";", "\t", "|", ":"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8"] * 4 + ["utf-8-sig", "utf-16", "cp1252", "gb18030"]),
    name=st.sampled_from(["r.csv", "r.csv", "r.tsv", "r.csv.gz", "R.CSV"]),
    header=st.sampled_from([True, True, False]),
    said=st.booleans(),
    named=st.booleans(),
    torn=st.sampled_from([0, 0, 0, 1, 2, 5, 9]),
    nul=st.sampled_from([False] * 9 + [True]),
)
def test_a_csv_is_read_as_pythons_own_reader_does_or_refused(
    tmp_path_factory,
    made,
    delimiter,
    quoting,
    newline,
    encoding,
    name,
    header,
    said,
    named,
    torn,
    nul,
):
    names, rows, roles, style = made
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, delimiter=delimiter, quoting=quoting, lineterminator=newline)
    writer.writerows([names, *rows] if header else rows)
    text = lines.getvalue()[: -torn or None]
    text = text.replace("a", "a\0", 1) if nul else text
    try:
        raw = text.encode(encoding)
    except UnicodeEncodeError:
        return
    sure = said or text.isascii() or encoding.startswith("utf")
    file = tmp_path_factory.getbasetemp() / f"init{next(numbers)}" / name
    file.parent.mkdir()
    file.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    layout = Layout(delimiter, encoding, header, quotes=True) if said else Layout()
    called = [names[i].strip() if header else f"column{i}" for i in roles]
    given_roles = Roles((called[1],), (called[0],), called[2])
    try:
        found = taken(file, layout, given_roles, style if named and style != "excel" else None)
    except EmbfeastError:
        return
    if not sure:  # which letters these are is told apart by more of them
        assert len(found) == len(rows)
        return
    want = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    want = [line for line in want if line][header:]
    assert all(len(line) == len(names) for line in want)
    cells = [tuple(line[i] for i in roles) for line in want]
    told = [(key.strip(), shown(text), moment(time, style)) for key, text, time in cells]
    read = {(str(key), shown(text), time) for key, text, time in found}
    assert len(found) == len(told)
    # Of a time that was cut nobody can tell what is missing.
    assert read >= {row for row in told if row[2] is not None}
    assert torn or all(row[2] for row in told)


instants = st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1))
kept = st.text(st.one_of(st.sampled_from("\\\"'{}[],:\n\0"), letters), max_size=12)


@st.composite
def records(draw):
    """Names, and rows of key, text and time: a key is a number or a word."""
    some = draw(st.lists(st.sampled_from(NAMES), min_size=3, max_size=3, unique_by=str.lower))
    key = draw(
        st.sampled_from([st.integers(-(2**63), 2**63 - 1), keys["digits"], keys["word"], kept])
    )
    row = st.tuples(key, st.none() | phrases | kept, instants)
    return some, draw(st.lists(row, min_size=1, max_size=6))


def in_json(time, style):
    whole = round((time.replace(tzinfo=UTC) - EPOCH).total_seconds() * 10**6)
    return time.isoformat() + style if style in ("", "Z", "+00:00") else whole // 10**6 * int(style)


@FILES
@given(
    made=records(),
    style=st.sampled_from(["", "Z", "+00:00", "1", "1000", "1000000", "1000000000"]),
    plain=st.booleans(),
    lines=st.booleans(),
    torn=st.sampled_from([0, 0, 0, 0, 1, 3, 9]),
)
def test_json_is_read_as_pythons_own_reader_does_or_refused(
    tmp_path_factory, made, style, plain, lines, torn
):
    names, rows = made
    objects = [dict(zip(names, (k, t, in_json(at, style)), strict=True)) for k, t, at in rows]
    parts = [json.dumps(one, ensure_ascii=plain) for one in objects]
    text = ("\n".join(parts) if lines else f"[{', '.join(parts)}]")[: -torn or None]
    file = tmp_path_factory.getbasetemp() / f"init{next(numbers)}" / "r.jsonl"
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")
    try:
        found = taken(file, Layout(), Roles((names[1],), (names[0],), names[2]))
    except EmbfeastError:
        return
    assert not torn
    step = 0 if style in ("", "Z", "+00:00") else 10**6
    told = {
        (str(k), shown(t), seconds(at) if step else at.replace(tzinfo=UTC)) for k, t, at in rows
    }
    assert {(str(key), shown(text), time) for key, text, time in found} == told
    assert len(found) == len(rows)


def seconds(time):
    return time.replace(microsecond=0, tzinfo=UTC)


@FILES
@given(
    made=records(),
    unit=st.sampled_from(["s", "ms", "us", "ns"]),
    zone=st.sampled_from([None, "UTC", "Europe/Berlin", "+05:30"]),
)
def test_parquet_is_read_as_it_was_written_or_refused(tmp_path_factory, made, unit, zone):
    names, rows = made
    moments = [seconds(time) for _, _, time in rows]
    columns = [
        pa.array([row[0] for row in rows]),
        pa.array([row[1] for row in rows], pa.string()),
        pa.array(moments, pa.timestamp(unit, "UTC")).cast(pa.timestamp(unit, zone)),
    ]
    file = tmp_path_factory.getbasetemp() / f"init{next(numbers)}" / "r.parquet"
    file.parent.mkdir()
    pq.write_table(pa.Table.from_arrays(columns, names), file)
    try:
        found = taken(file, Layout(), Roles((names[1],), (names[0],), names[2]))
    except EmbfeastError:
        return
    told = [(str(k), shown(t), at) for (k, t, _), at in zip(rows, moments, strict=True)]
    assert sorted((str(key), shown(text), time) for key, text, time in found) == sorted(told)
