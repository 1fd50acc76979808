"""CSV files: which letter parts the fields, whether the first line names columns, of which types.

DuckDB reads them, told everything: what it would guess, it guesses without a word.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import duckdb

from embfeast.errors import EmbfeastError
from embfeast.scaffold.encodings import open_bytes
from embfeast.scaffold.names import shown
from embfeast.texts.database import literal, quote

USUAL = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
SPOKEN = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|", "pipe": "|"}
SPOKEN |= {"\\x01": "\x01", "\\x1e": "\x1e", "space": " "}
# What parts fields seldom, and is no part of a name as people write it.
UNUSUAL = "^~:#@!&*/¦§¬\x01\x1e "
# Stands in no text, so that a line is one field.
NEVER = "\x1f"
HEAD, RECORDS = 1 << 20, 200
MOST_LINE = 1 << 28
LONG_NAME = 60
AT_ONCE = 20  # columns
WORDS = 4  # that a sentence has, and a column's name seldom

# Macros of DuckDB: what every value of a column must be for it to get a type.
TYPES = {"BIGINT": "whole", "DOUBLE": "number", "DATE": "day", "TIMESTAMPTZ": "moment"}
MACROS = r"""
CREATE MACRO filled(v) AS nullif(trim(v), '');
-- A number that would be written otherwise, 007 say, is a text.
CREATE MACRO whole(v) AS TRY_CAST(v AS BIGINT)::VARCHAR = v;
CREATE MACRO number(v) AS
    regexp_full_match(v, '[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?')
    AND NOT regexp_full_match(v, '[+-]?\d{16,}') AND isfinite(TRY_CAST(v AS DOUBLE));
CREATE MACRO day(v) AS regexp_full_match(v, '\d{4}[-/]\d{1,2}[-/]\d{1,2}')
    AND TRY_CAST(v AS DATE) IS NOT NULL;
CREATE MACRO zoned(v) AS regexp_matches(v, ':\d\d(\.\d+)? ?(Z|UTC|[+-]\d\d(:?\d\d)?)$');
CREATE MACRO moment(v) AS TRY_CAST(v AS TIMESTAMPTZ) IS NOT NULL AND regexp_full_match(v,
    '\d{4}[-/]\d{1,2}[-/]\d{1,2}'
    '([T ]\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?(Z|UTC|[+-]\d\d(:?\d\d)?))?)?');
"""


@dataclass(frozen=True)
class Layout:
    """What a user says of a CSV; None is found out.

    Without `quotes` quotes are letters like others, without `header` the first line is a row.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    quotes: bool | None = None


def scan_csv(file: Path, given: Layout, name: Path) -> tuple[str, list[str]]:
    """Return the SQL that reads a CSV in UTF-8, and lines that say what was found out.

    Messages call the file by `name`.
    """
    head, whole = _head(file, name)
    skip = 0
    delimiter = SPOKEN.get(given.delimiter or "", given.delimiter)
    if blank := re.match(r"([ \t]*(\r\n|\r|\n))+", head):
        head, skip = head[blank.end() :], len(blank[0].splitlines())
    if said := re.match(r"sep=(.)(\r\n|\r|\n)", head):  # Excel's
        head, skip, delimiter = head[said.end() :], skip + 1, delimiter or said[1]
    if delimiter is None and re.search(r"\.tsv(\.gz)?$", name.name.lower()):
        delimiter = "\t"
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise EmbfeastError(f"{name}: a delimiter is one letter or tab, not {delimiter!r}")
    quoting = given.quotes is not False
    delimiter = delimiter or _find_delimiter(head, whole, quoting, name)
    first = next(iter(_records(head, delimiter, quoting, whole)), None)
    if first is None:
        raise EmbfeastError(f"{name}: its first line cannot be read: is a quote never closed?")
    header = given.header is not False
    if len(first) == 1 and header:
        _refuse_other_delimiter(first[0], delimiter, name)
    if given.header is None and 2 * sum(map(bool, map(str.strip, first))) < len(first):
        raise EmbfeastError(
            f"{name}: the first line leaves most columns without a name; leave out what stands "
            "above the names, or say --header where it is they, --no-header where it is a row"
        )
    columns, notes = _names(first, header)
    scan = _reader(file, delimiter, columns, quoting, header, skip)
    with duckdb.connect() as connection:
        looks = _look(connection, scan, columns, first, name)
        if given.header is None:
            _question_header(first, looks, name)
        if given.quotes is None and len(columns) > 1 and any(look.breaks for look in looks):
            plain = _reader(file, delimiter, columns, False, header, skip)
            _question_quotes(connection, plain, name)
    if delimiter not in (",", NEVER):
        notes.append(f"fields are parted by {_spoken(delimiter)}")
    if not header:
        notes.append(f"the file names no columns: they are called {columns[0]} to {columns[-1]}")
    casts = (
        f"CAST(nullif(trim({quote(c)}), '') AS {look.kind}) AS {quote(c)}"
        for c, look in zip(columns, looks, strict=True)
        if look.kind != "VARCHAR"
    )
    typed = ", ".join(casts)
    return f"(SELECT *{f' REPLACE ({typed})' if typed else ''} FROM {scan})", notes


def _spoken(delimiter: str) -> str:
    return USUAL.get(delimiter, repr(delimiter))


def _head(file: Path, name: Path) -> tuple[str, bool]:
    """Return the beginning of a file, and whether that is all of it."""
    with open_bytes(file) as stream:
        start = stream.read(HEAD)
    if not start.strip():
        raise EmbfeastError(f"{name} is empty")
    return start.decode("utf-8-sig", "ignore"), len(start) < HEAD


def _records(head: str, delimiter: str, quoting: bool, whole: bool) -> list[list[str]]:
    """Return the first records, as far as they can be read."""
    csv.field_size_limit(HEAD + 1)
    lines = io.StringIO(head, newline="")
    mark = '"' if quoting else None
    rows = csv.reader(lines, delimiter=delimiter, quotechar=mark, strict=True)
    found: list[list[str]] = []
    try:
        for row in rows:
            if row:
                found.append(row)
            if len(found) == RECORDS:
                return found
    except csv.Error:
        return found
    return found if whole or len(found) < 2 else found[:-1]


def _find_delimiter(head: str, whole: bool, quoting: bool, name: Path) -> str:
    widths = {d: [len(r) for r in _records(head, d, quoting, whole)] for d in USUAL}
    even = {d: w[0] for d, w in widths.items() if w and w[0] > 1 and len(set(w)) == 1}
    found = even or {d: w[0] for d, w in widths.items() if w and w[0] > 1}
    if not found:
        _question_unusual(head, whole, quoting, name)
        for d, w in widths.items():
            if len(w) > 2 and w[1] > 1 and len(set(w[1:])) == 1:
                raise EmbfeastError(
                    f"{name}: the first line has one field, those below have {w[1]}, parted by "
                    f"{USUAL[d]}: leave out what stands above the names, or say --delimiter; "
                    "--delimiter tab where a line is one text"
                )
        return NEVER
    best = max(found.values())
    names = [d for d, width in found.items() if width == best]
    if len(names) > 1 and "\t" not in names:  # which texts seldom have
        said = " or ".join(USUAL[d] for d in names)
        raise EmbfeastError(f"{name}: fields may be parted by {said}; say --delimiter")
    return "\t" if "\t" in names else names[0]


def _question_unusual(head: str, whole: bool, quoting: bool, name: Path) -> None:
    """Ask where another letter than usual stands as often in nearly all lines as in the first."""
    for letter in UNUSUAL:
        widths = [len(row) for row in _records(head, letter, quoting, whole)]
        alike = widths.count(widths[0]) if widths and widths[0] > 1 else 0
        if alike > 1 and len(widths) - alike <= max(1, len(widths) // 10):
            raise EmbfeastError(
                f"{name}: fields may be parted by {letter!r}, which lines have as often as the "
                f"first; say --delimiter {letter!r}, or --delimiter tab where a line is one text"
            )


def _refuse_other_delimiter(column: str, delimiter: str, name: Path) -> None:
    if delimiter != NEVER and (others := [d for d in USUAL if d in column and d != delimiter]):
        raise EmbfeastError(
            f"{name} has one column, called {shown(column)!r}, where fields are parted by "
            f"{_spoken(delimiter)}; it looks parted by {USUAL[others[0]]}: say "
            "--delimiter"
        )


def _names(first: Sequence[str], header: bool) -> tuple[list[str], list[str]]:
    """Return one name a column, none twice, and what was changed."""
    given = [(f.strip() if header else "") or f"column{i}" for i, f in enumerate(first)]
    free = Counter(name.lower() for name in given)
    names: list[str] = []
    notes = []
    for name in given:
        own = name
        if name.lower() in map(str.lower, names):
            numbered = (f"{name}_{i}" for i in count(1))
            own = next(other for other in numbered if other.lower() not in free)
            free[own.lower()] += 1
            notes.append(f"{shown(name)} comes twice: the later one is called {shown(own)}")
        names.append(own)
    return names, notes


def _reader(
    file: Path, delimiter: str, columns: Sequence[str], quoting: bool, header: bool, skip: int
) -> str:
    mark = "'\"'" if quoting else "''"
    types = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in columns)
    return (
        f"read_csv({literal(str(file))}, auto_detect = false, delim = {literal(delimiter)}, "
        f"quote = {mark}, escape = {mark}, header = {str(header).lower()}, skip = {skip}, "
        f"comment = '', strict_mode = true, max_line_size = {MOST_LINE}, columns = {{{types}}})"
    )


@dataclass(frozen=True)
class _Look:
    """How a column looks: its type, whether its first line occurs again, words a value, breaks."""

    kind: str
    again: bool
    words: float
    breaks: bool


def _look(
    connection: duckdb.DuckDBPyConnection, scan: str, columns: Sequence[str],
    first: Sequence[str], name: Path,
) -> list[_Look]:  # fmt: skip
    """Read the whole file, all of it as texts: once for every so many columns.

    The time that DuckDB plans for grows as the square of what is asked at once.
    """
    connection.execute(f"SET TimeZone = 'UTC'; {MACROS}")
    return [
        look
        for start in range(0, len(columns), AT_ONCE)
        for look in _look_at(
            connection, scan, columns[start : start + AT_ONCE], first[start:], name
        )
    ]


def _look_at(
    connection: duckdb.DuckDBPyConnection, scan: str, columns: Sequence[str],
    first: Sequence[str], name: Path,
) -> list[_Look]:  # fmt: skip
    measures = []
    for column, cell in zip(map(quote, columns), first, strict=False):
        value, filled = f"filled({column})", f"FILTER (WHERE filled({column}) IS NOT NULL)"
        measures += [
            f"bool_and(coalesce({fits}({value}), false)) {filled}" for fits in TYPES.values()
        ]
        measures += [
            f"bool_or(zoned(filled({column})))",
            f"bool_or(trim({column}) = {literal(cell.strip())})",
            f"avg(len(string_split(trim({column}), ' ')))",
            f"bool_or(contains({column}, chr(10)))",
        ]
    try:
        found = connection.execute(f"SELECT {', '.join(measures)} FROM {scan}").fetchone()
    except duckdb.Error as error:
        raise EmbfeastError(cannot_read(name, error)) from error
    assert found is not None  # noqa: S101 - an aggregate has a row
    each = len(found) // len(columns)
    looks = []
    for start in range(0, len(found), each):
        *fits, zoned, again, words, breaks = found[start : start + each]
        kind = next((kind for kind, fit in zip(TYPES, fits, strict=True) if fit), "VARCHAR")
        kind = "TIMESTAMP" if kind == "TIMESTAMPTZ" and not zoned else kind
        looks.append(_Look(kind, bool(again), words or 0.0, bool(breaks)))
    return looks


def _question_header(first: Sequence[str], looks: Sequence[_Look], name: Path) -> None:
    for cell, look in zip(map(str.strip, first), looks, strict=True):
        if why := _why_data(cell, look):
            raise EmbfeastError(
                f"{name}: the first line looks like data, not like names of columns: "
                f"{shown(cell)!r} {why}; say --no-header, or --header where it is names"
            )


def _why_data(cell: str, look: _Look) -> str:
    """Say why a cell of the first line is no column's name, or nothing."""
    if re.fullmatch(r"[+-]?[\d.,]*\d([eE][+-]?\d+)?%?", cell):
        return "is a number"
    if re.match(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b", cell):
        return "is a time"
    if len(cell) > LONG_NAME:
        return "is long"
    if cell and look.again:
        return "comes again below"
    if len(cell.split()) >= WORDS and look.words >= WORDS:
        return "is a sentence, as those below"
    return ""


def _question_quotes(connection: duckdb.DuckDBPyConnection, plain: str, name: Path) -> None:
    """Ask where fields of several lines would make sense as lines of their own, too."""
    try:
        connection.execute(f"SELECT count(*) FROM {plain}")
    except duckdb.Error:
        return
    raise EmbfeastError(
        f"{name}: quotes enclose several lines, each of which looks like a row of its own; say "
        "--no-quotes where a quote is a letter like others, or --quotes where they enclose fields"
    )


def cannot_read(file: Path, error: duckdb.Error) -> str:
    """Say in one line why DuckDB cannot read a file, and where; never the file's own words."""
    said = re.sub(r"(?s)Original Line:.*?\n(?=[A-Z])", "", str(error))
    where = re.search(r"Line: (\d+)", said)
    lines = [
        line.strip()
        for line in re.split("Possible (fixes|Solution)|LINE 1:|  file =", said)[0].splitlines()
    ]
    reason = " ".join(line for line in lines if line and "Error on Line" not in line)
    if "nterminated quote" in reason or "uote should be followed" in reason:
        reason = (
            "a quote is not closed, or stands inside a field undoubled; mend it (the file may be "
            "cut short), or say --no-quotes where quotes are letters like others"
        )
    if fields := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", reason):
        reason = (
            f"it has {fields[2]} fields where the first line has {fields[1]}; mend it (the file "
            "may be cut short; a field that holds the delimiter stands in quotes), or say "
            "--delimiter"
        )
    if "nvalid unicode" in reason:
        reason = "it is not in UTF-8; say --encoding"
    if "Maximum line size" in reason:
        reason = f"a line is larger than the greatest size, {MOST_LINE:,} bytes; part it"
    return f"{file} cannot be read: {f'line {where[1]}: ' if where else ''}{reason}"
