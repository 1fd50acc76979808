"""Any rows, written as files are written, come back as they were, or the file is refused."""

import csv
import gzip
import io
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.scaffold.delimited import Layout
from embfeast.scaffold.loading import load_file
from tests.scaffold.conftest import note

DELIMITERS = [",", ";", "\t", "|"]


def load(content: str | bytes, name="r.csv", folder=None, **layout):
    """Return the columns with their types, the rows, and what was said."""
    with TemporaryDirectory(dir=folder) as made:
        file, database = Path(made) / name, Path(made) / "d.duckdb"
        raw = content if isinstance(content, bytes) else content.encode()
        file.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        notes = load_file(file, database, "t", Layout(**layout))
        with duckdb.connect(str(database), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            shown = connection.execute("DESCRIBE t").fetchall()
            rows = connection.execute("SELECT * EXCLUDE row_id FROM t ORDER BY row_id").fetchall()
    return {row[0]: row[1] for row in shown if row[0] != "row_id"}, rows, " / ".join(notes)


def written(rows, delimiter=",", quoting=csv.QUOTE_MINIMAL, newline="\n"):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter, quoting=quoting, lineterminator=newline).writerows(rows)
    return stream.getvalue()


def refused(content, message, **options):
    with pytest.raises(EmbfeastError, match=message) as said:
        load(content, **options)
    return str(said.value)


cells = st.text(
    st.one_of(
        st.sampled_from(",;\t|\"'\n\r \\#=%"),
        st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    width=st.integers(1, 4),
    data=st.data(),
    delimiter=st.sampled_from(DELIMITERS),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "gb18030"]),
    said=st.booleans(),
)
def test_any_rows_come_back_or_are_refused(
    width, data, delimiter, quoting, newline, encoding, said
):
    rows = data.draw(st.lists(st.tuples(*[cells] * width), min_size=1, max_size=6))
    names = ["body", "kind", "note", "other"][:width]
    if any("\r" in cell for row in rows for cell in row):
        quoting = csv.QUOTE_ALL  # Python's writer leaves it bare, and so it ends a line
    text = written([names, *rows], delimiter, quoting, newline)
    try:
        raw = text.encode(encoding)
    except UnicodeEncodeError:
        return
    options = {"delimiter": delimiter, "encoding": encoding, "header": True, "quotes": True}
    try:
        types, found, _ = load(raw, **(options if said else {}))
    except EmbfeastError:
        assert not said or "\r" in text.replace("\r\n", "")
        return
    if not said and encoding in ("cp1252", "gb18030") and not text.isascii():
        assert len(found) == len(rows)  # which letters these are is told apart by more of them
        return
    assert list(types) == names
    for row, back in zip(rows, found, strict=True):
        for cell, value, kind in zip(row, back, types.values(), strict=True):
            if not cell.strip():
                assert value is None or not value.strip()
            elif kind == "VARCHAR":
                assert value == cell
            elif kind in ("BIGINT", "DOUBLE"):
                assert value == float(cell)
            else:
                assert str(value)[:4] == cell.strip()[:4]


HEAD = ("id", "body", "day", "score")
ROWS = [(i, f'{note(i)}, he said "yes";\n|', f"2026-01-{1 + i % 28:02d}", i / 4) for i in range(40)]
PLAIN = [(i, note(i), f"2026-01-{1 + i % 28:02d}", i / 4) for i in range(40)]
TYPES = {"id": "BIGINT", "body": "VARCHAR", "day": "DATE", "score": "DOUBLE"}


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("name", ["r.csv", "r.csv.gz"])
def test_the_delimiter_and_the_types_are_found(delimiter, name):
    types, rows, said = load(written([HEAD, *ROWS], delimiter), name)
    assert types == TYPES
    assert [row[1] for row in rows] == [row[1] for row in ROWS]
    assert delimiter == "," or "parted by" in said


def test_a_tsv_is_parted_by_tabs_alone():
    assert load(written([HEAD, *ROWS], "\t"), "r.tsv")[0] == TYPES
    refused(written([HEAD, *ROWS]), "one column.*id,body.*--delimiter", name="r.tsv")


def test_excel_says_its_delimiter_in_the_first_line():
    assert load("sep=;\r\n" + written([HEAD, *ROWS], ";", newline="\r\n"))[0] == TYPES


ENCODED = {
    "cp1252": "für Größe", "utf-16": "für", "utf-16-le": "für", "utf-16-be": "für",
    "utf-8-sig": "für", "utf-32": "für", "cp1250": "příliš žluťoučký kůň",
    "cp1251": "посылка не пришла вовремя, верните деньги", "koi8-r": "посылка не пришла вовремя",
    "cp932": "荷物が届きませんでした", "euc_jp": "荷物が届きませんでした",
    "gb18030": "包裹没有到请退款", "big5": "包裹沒有到請退款", "cp1253": "το δέμα δεν ήρθε",
    "cp949": "소포가 도착하지 않았습니다", "mac_roman": "déjà reçu", "cp850": "für Größe",
}  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize("name", ["r.csv", "r.jsonl"])
def test_the_encoding_is_found_and_said(encoding, name):
    texts = [f"{note(i)} {ENCODED[encoding]} {i}" for i in range(40)]
    if name == "r.csv":
        content = written([("id", "body"), *enumerate(texts)])
    else:
        content = "\n".join(json.dumps({"body": text}, ensure_ascii=False) for text in texts)
    _, rows, said = load(content.encode(encoding), name)
    assert [row[-1] for row in rows] == texts
    assert encoding == "utf-8-sig" or "the file is" in said
    if encoding not in ("utf-8-sig", "utf-16", "utf-32"):
        assert [
            row[-1] for row in load(content.encode(encoding), name, encoding=encoding)[1]
        ] == texts


def test_a_file_in_two_encodings_is_refused():
    whole = written([HEAD, *ROWS, (99, "Größe", "2026-01-01", 1)]).encode()
    refused(whole + "100,für,2026-01-01,1\n".encode("cp1252"), "UTF-8 but for some bytes")
    refused(whole[:-18], "UTF-8 but for some bytes|cannot be read")
    refused(whole, "unknown encoding 'utf-9'", encoding="utf-9")
    refused(
        "1,für\n".encode("cp1252"), "not in UTF-8|is not in utf-8", encoding="utf-8", header=False
    )
    refused(b"id,body\n1,a\0b\n", "NUL")


def test_a_torn_last_line_is_named_by_its_number():
    refused(
        written([HEAD, *PLAIN]) + '40,"the file ends in the mi', "line 42: a quote is not closed"
    )
    refused(written([HEAD, *PLAIN]) + "40,the file en", "line 42: it has 2 fields")
    refused('"the file', "quote never closed")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (written(PLAIN), "'0' is a number"),
        (
            "\n".join(f"{'spam' if i % 5 == 0 else 'ham'}\t{note(i)}" for i in range(40)),
            "again below|is a sentence",
        ),
        (
            written([(f"2026-01-{1 + i % 28:02d}", note(i).replace(";", "")) for i in range(40)]),
            "is a time|is a sentence",
        ),
        ("\n".join(note(i) * 2 for i in range(40)), "is long|is a sentence"),
        ("\n".join(note(i)[:45] for i in range(40)), "is a sentence"),
        (written([HEAD, *PLAIN]) * 2, "'id' comes again below"),
    ],
)
def test_a_first_line_that_looks_like_data_is_questioned(content, why):
    refused(content, f"looks like data.*({why}).*; say --no-header, or --header")
    _, kept, said = load(content, header=False)
    assert len(kept) == len(load(content, header=True)[1]) + 1
    assert "column0" in said


def test_names_that_come_twice_are_told_apart_and_an_index_has_a_name():
    types, _, said = load("body,Body,body,body_1,\nx,y,z,v,w\n")
    assert list(types) == ["body", "Body_2", "body_3", "body_1", "column4"]
    assert "comes twice" in said


def test_numbers_that_would_be_written_otherwise_stay_texts():
    types, rows, _ = load("zip,big,code,late,n\n00501,12345678901234567890,1_0,1,-5\n7,1,2,n/a,7\n")
    assert types == {"zip": "VARCHAR", "big": "VARCHAR", "code": "VARCHAR", "late": "VARCHAR",
                     "n": "BIGINT"}  # fmt: skip
    assert rows[0] == ("00501", "12345678901234567890", "1_0", "1", -5)


def test_times_with_and_without_a_zone_are_read_and_dates_of_countries_are_left_to_be_asked():
    types, _, _ = load(
        "a,b,c,d\n2026-01-01T10:00:00+02:00,2026-01-01 10:00,2026-01-01,01/02/2026\n"
    )
    assert list(types.values()) == ["TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "DATE", "VARCHAR"]


def test_quotes_that_span_what_look_like_rows_are_questioned():
    torn = "kind\ttext\n" + "ham\tfine\n" * 9 + 'ham\t"opens\nham\tcloses"\nham\tmore\n'
    refused(torn, "--no-quotes")
    assert len(load(torn, quotes=False)[1]) == 12
    assert len(load(torn, quotes=True)[1]) == 11


def test_a_line_of_megabytes_is_read():
    assert len(load("id,body\n1," + "x" * 3_000_000 + "\n2,y\n")[1][0][1]) == 3_000_000


def test_fields_that_do_not_fit_are_refused_with_what_to_do():
    refused("Report\n\n" + written([HEAD, *PLAIN]), "one field, those below have 4")
    refused('id,body\n1,"He said \\"hi\\", ok"\n', "line 2: a quote is not closed")
    refused("a,b;c\n1,2;3\n", "a comma or a semicolon; say --delimiter")
    refused("a,b\n1,2\n", "one letter", delimiter="::")
    refused('{"a": 1}\n', "is no CSV", name="r.jsonl", delimiter=";")
    refused("   \n", "is empty")
    refused(b"id,body\n1,x\n", "cannot be read", name="r.parquet")


def test_a_packed_file_that_is_none_is_refused():
    with TemporaryDirectory() as made:
        file = Path(made) / "r.csv.gz"
        file.write_bytes(b"id,body\n1,x\n")
        with pytest.raises(EmbfeastError, match="cannot be read"):
            load_file(file, Path(made) / "d.duckdb", "t")


@pytest.mark.parametrize("letter", ["^", "~", ":", " ", "\x01"])
@pytest.mark.parametrize("end", ["", "9{d}the file ends", '9{d}"the file'])
def test_one_column_that_another_letter_parts_is_questioned(letter, end):
    lines = [f'id{letter}"body"{letter}kind']
    lines += [f'{i}{letter}"{note(i)}"{letter}k{i}' for i in range(9)]
    content = "\n".join(lines + [end.format(d=letter)] * bool(end))
    message = refused(content, "fields may be parted")
    said = re.search(r"--delimiter '(.+?)',", message)[1]
    columns, rows, _ = load("\n".join(lines), delimiter=said)
    assert list(columns) == ["id", "body", "kind"]
    assert rows[3] == (3, note(3), "k3")
    columns, rows, _ = load("text\n" + f"a{letter}b\n" * 9, delimiter="tab")
    assert rows == [(f"a{letter}b",)] * 9


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("above", ["{n}", "{n}  {n}{n}", "sep=,{n}", "{n}sep=,{n}"])
def test_blank_lines_above_the_names_are_left_out(above, newline):
    content = above.format(n=newline) + written([["id", "body"], [1, note(1)]], newline=newline)
    assert load(content)[:2] == ({"id": "BIGINT", "body": "VARCHAR"}, [(1, note(1))])


def test_a_title_above_the_names_is_questioned():
    rows = [["Report of 2026", "", ""], ["id", "body", "kind"], [1, note(1), "a"]]
    refused(written(rows), "leaves most columns without a name")


def test_many_columns_are_each_of_their_own_type():
    values = [f"2026-01-{i % 28 + 1:02d}" if i % 3 else str(i) for i in range(90)]
    columns, rows, _ = load(written([[f"c{i}" for i in range(90)], values]))
    assert list(columns.values()) == ["DATE" if i % 3 else "BIGINT" for i in range(90)]
    assert [str(value) for value in rows[0]] == values
