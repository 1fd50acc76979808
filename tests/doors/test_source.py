"""The door of text sources: what is read is what was written, or the source is refused."""

import datetime as dt
import itertools
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.plugin import DuckDBSource
from tests.doors import WHOLE

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:source .* has no time zone")]
START = datetime(2026, 3, 1, tzinfo=UTC)
# Names that are reserved words, our own, other libraries' or in other scripts.
NAMES = [
    *["id", "select", "order", "group", "from", "timestamp", "value", "rowid", "filename", "index"],
    *["file_row_number", "event_timestamp", "created_timestamp", "text", "row", "chunk", "a b"],
    *["naïve", "列", 'quo"te', "it's", "%s", "$start", "a.b", "Ö", "year", "m", "r", "s"],
]
KEYS = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "INTEGER": st.integers(-9, 9),
    "UTINYINT": st.integers(0, 255),
    "VARCHAR": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    "DOUBLE": st.floats(allow_nan=False),
    "UUID": st.uuids().map(str),
    "DATE": st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1)),
    "BOOLEAN": st.booleans(),
    "DECIMAL(9,2)": st.integers(0, 99),
    "STRUCT(a INTEGER)": st.just({"a": 1}),
    "INTEGER[]": st.just([1]),
}
# The finest step that a type of time tells apart.
TIMES = {
    "TIMESTAMP": timedelta(microseconds=1),
    "TIMESTAMPTZ": timedelta(microseconds=1),
    "TIMESTAMP_NS": timedelta(microseconds=1),
    "TIMESTAMP_MS": timedelta(milliseconds=1),
    "TIMESTAMP_S": timedelta(seconds=1),
    "DATE": timedelta(days=1),
    "TIME": timedelta(seconds=1),
    "VARCHAR": timedelta(seconds=1),
    "BIGINT": timedelta(seconds=1),
}
TEXTS = {
    "VARCHAR": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    "INTEGER": st.integers(0, 9),
    "BLOB": st.binary(max_size=3),
    "VARCHAR[]": st.just(["a"]),
    "INTERVAL": st.just(timedelta(days=1)),
    "TIME": st.just(dt.time(1, 2)),
    "STRUCT(a VARCHAR)": st.just({"a": "b"}),
    "UUID": st.uuids().map(str),
}
numbers = itertools.count()


@st.composite
def tables(draw):
    """A table's columns and rows."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=4, max_size=4, unique=True))
    kinds = [
        draw(st.sampled_from(["BIGINT", "VARCHAR", *KEYS])),
        draw(st.sampled_from(["TIMESTAMP", "TIMESTAMPTZ", *TIMES])),
        draw(st.sampled_from(["TIMESTAMPTZ", *TIMES])),
        draw(st.sampled_from(["VARCHAR"] * 4 + [*TEXTS])),
    ]
    rarely = st.integers(0, 9).map(lambda number: number == 0)

    def moment_of(kind):
        step = TIMES[kind]
        value = START + draw(st.integers(-(10**4), 10**4)) * step
        value = draw(st.sampled_from([value] * 8 + [datetime(1960, 1, 1, tzinfo=UTC), None]))
        if value is None or kind == "TIMESTAMPTZ":
            return value
        if kind == "TIME":
            return value.time()
        if kind == "BIGINT":
            return int(value.timestamp())
        return value.date() if kind == "DATE" else value.replace(tzinfo=None)

    rows = [
        (
            None if draw(rarely) else draw(KEYS[kinds[0]]),
            moment_of(kinds[1]),
            moment_of(kinds[2]),
            None if draw(rarely) else draw(TEXTS[kinds[3]]),
        )
        for _ in range(draw(st.integers(0, 4)))
    ]
    return names, kinds, rows


def told(value):
    """Return a time as the moment in UTC that it is."""
    if value is None or isinstance(value, dt.time | int | str):
        return value
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


@WHOLE
@given(made=tables(), kind=st.sampled_from(["table", "query", "folder"]), known=st.booleans())
def test_a_source_is_read_as_it_was_written_or_refused(tmp_path_factory, made, kind, known):
    names, kinds, rows = made
    folder = tmp_path_factory.getbasetemp() / f"source{next(numbers)}"
    folder.mkdir()
    path = folder / "texts.duckdb"
    columns = ", ".join(f"{quoted(n)} {k}" for n, k in zip(names, kinds, strict=True))
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f'CREATE TABLE "select" ({columns})')
        for row in rows:
            connection.execute('INSERT INTO "select" VALUES (?, ?, ?, ?)', row)
        if kind == "folder":
            (folder / "lake").mkdir()
            try:
                connection.execute(f"COPY \"select\" TO '{folder}/lake/texts.parquet'")
            except duckdb.Error:  # a type that Parquet does not have
                return
    place = {
        "table": {"database": "texts.duckdb", "table": "select"},
        "query": {"database": "texts.duckdb", "query": 'SELECT * FROM "select" -- all of it'},
        "folder": {"database": "lake", "table": "texts"},
    }[kind]
    try:
        source = DuckDBSource(
            name="texts",
            text_columns=names[3],
            timestamp_field=names[1],
            created_timestamp_column=names[2] if known else None,
            **place,
        )
        with source.open(folder, [names[0]]) as opened:
            opened.check_rows()
            read = [row for chunk in opened.read() for row in chunk.to_pylist()]
    except EmbfeastError:
        return
    used = names if known else [names[0], names[1], names[3]]
    found = [tuple(row[name] for name in used) for row in read]
    want = [(row[0], told(row[1]), *([told(row[2])] if known else []), row[3]) for row in rows]
    if kinds[0] == "UUID":
        found = [(str(row[0]), *row[1:]) for row in found]
    if kinds[0] == "DECIMAL(9,2)":
        found = [(int(row[0]), *row[1:]) for row in found]
    if kinds[0] == "DATE":
        found = [(told(row[0]).date(), *row[1:]) for row in found]
    assert sorted(found, key=repr) == sorted(want, key=repr)
    assert all(row[-1] is None or isinstance(row[-1], str) for row in found)
    assert [row[1] for row in found] == sorted(row[1] for row in found)
    assert all(row[0] is not None and row[1] is not None for row in want)
    assert len({tuple(map(str, row[:-1])) for row in want}) == len(want)
