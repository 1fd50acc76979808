from dataclasses import replace
from datetime import date, datetime

import duckdb
import pytest

from embfeast import EmbfeastError
from embfeast.scaffold.roles import Roles, find_roles
from embfeast.scaffold.table import TextTable
from tests.scaffold.conftest import note

NOW = datetime(2026, 1, 1)


@pytest.fixture
def table():
    connection = duckdb.connect()

    def make(columns, rows):
        connection.execute(f"CREATE OR REPLACE TABLE t ({columns})")
        connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", rows)
        return TextTable(connection, "table 't'", "t")

    yield make
    connection.close()


def rows(*columns, count=40):
    return [tuple(column(i) for column in columns) for i in range(count)]


def moment(i):
    return datetime(2026, 1, 1 + i % 28, i // 28)


def test_the_longest_text_the_unique_id_and_the_only_time_are_taken_and_said(table):
    made = table(
        "title VARCHAR, body VARCHAR, code VARCHAR, stars INT, said_on TIMESTAMP",
        rows(lambda i: note(i)[:20], note, lambda i: f"c{i}", lambda i: i % 5, moment),
    )
    found = find_roles(made, Roles())
    assert (found.text, found.key, found.time) == (("body",), ("code",), "said_on")
    said = " / ".join(found.notes)
    for part in ("longest", "title may be text", "unique", "only time", "--label: stars", "as UTC"):
        assert part in said


def test_an_id_that_comes_again_at_other_times_is_a_key_with_revisions(table):
    made = table("post_id INT, body VARCHAR, at_ TIMESTAMP", rows(lambda i: i % 20, note, moment))
    found = find_roles(made, Roles())
    assert found.key == ("post_id",)
    assert "revisions" in " ".join(found.notes)


def test_two_ids_that_are_unique_together_are_a_composite_key(table):
    made = table(
        "shop_id INT, order_id INT, body VARCHAR, day DATE",
        rows(lambda i: i % 4, lambda i: i // 4, note, lambda i: date(2026, 1, 1)),
    )
    assert find_roles(made, Roles()).key == ("shop_id", "order_id")


def test_of_several_times_one_that_says_when_it_changed_is_not_taken(table):
    made = table(
        "id INT, body VARCHAR, loaded_at TIMESTAMP, posted TIMESTAMP",
        rows(lambda i: i, note, lambda i: NOW, moment),
    )
    found = find_roles(made, Roles())
    assert found.time == "posted"
    assert "--created loaded_at" in " ".join(found.notes)


def test_a_person_is_asked_only_where_two_columns_are_as_likely(table):
    asked = []

    def choose(question, columns):
        asked.append(list(columns))
        return columns[-1]

    made = table(
        "id INT, question VARCHAR, answer VARCHAR, posted TIMESTAMP",
        rows(lambda i: i, note, lambda i: note(i + 50), moment),
    )
    assert find_roles(made, Roles(), choose).text == (asked[0][-1],)
    assert len(asked) == 1
    find_roles(made, Roles(text=("answer",)), choose)
    assert len(asked) == 1


GOOD = "id INT, body VARCHAR, posted TIMESTAMP, size DOUBLE, epoch BIGINT, nr VARCHAR"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text": ("bodi",)}, r"no column 'bodi' \(did you mean 'body'\?\)"),
        ({"label": "starz"}, "no column 'starz'"),
        ({"text": ("id",)}, "'id' is INTEGER, not text"),
        ({"text": ("nr",)}, "holds numbers"),
        ({"time": "body"}, "not a timestamp or date; name another with --time"),
        ({"key": ("size",)}, r"key 'size' is DOUBLE; .*CAST\("),
        ({"pairs": "nr"}, "cannot name another text"),
        ({"pairs": "x", "key": ("id", "nr")}, "--pairs needs texts with one key column"),
    ],
)
def test_what_is_wrong_with_a_given_column_is_said_with_what_to_type(table, given, message):
    made = table(
        GOOD,
        rows(lambda i: i, note, moment, lambda i: i / 7, lambda i: i, str),
    )
    with pytest.raises(EmbfeastError, match=message):
        find_roles(made, replace(Roles(), **given))


@pytest.mark.parametrize(
    ("columns", "made", "message"),
    [
        ("id INT, body VARCHAR", (int, note), "no time column.*--time 2026-01-01"),
        ("id INT, w DATE", (int, lambda i: date(2026, 1, 1)), "no column looks like text.*w .DATE"),
        (
            "body VARCHAR, w DATE",
            (note, lambda i: date(2026, 1, 1)),
            "no column tells one text from another.*--key text_id",
        ),
    ],
)
def test_what_cannot_be_found_ends_in_advice(table, columns, made, message):
    with pytest.raises(EmbfeastError, match=message):
        find_roles(table(columns, rows(*made)), Roles())


def test_a_pair_key_gets_a_name_that_ends_in_the_key(table):
    made = table(
        "id INT, body VARCHAR, posted TIMESTAMP, twin INT",
        rows(lambda i: i, note, moment, lambda i: i),
    )
    found = find_roles(made, Roles(pairs="twin"))
    assert found.pairs == "other_id"
    assert "rename twin to other_id" in " ".join(found.notes)


def test_a_label_that_tells_nothing_and_a_text_named_twice_are_refused(table):
    made = table(
        "id INT, body VARCHAR, kind VARCHAR, at_ TIMESTAMP",
        rows(lambda i: i, note, lambda i: "a" if i % 2 else None, moment),
    )
    for label, why in {"kind": "one value", "body": "is the text", "id": "is the text"}.items():
        with pytest.raises(EmbfeastError, match=why):
            find_roles(made, Roles(text=("body",), key=("id",), time="at_", label=label))
    with pytest.raises(EmbfeastError, match="twice"):
        find_roles(made, Roles(text=("body", "body"), key=("id",), time="at_"))


def test_who_wrote_several_texts_is_found_by_name_and_values_and_not_elsewhere(table):
    made = table(
        "note_id INT, body VARCHAR, at_ TIMESTAMP, thread_id INT, user_name VARCHAR, kind_id INT",
        rows(
            lambda i: i, note, moment, lambda i: i // 2, lambda i: f"user {i % 12}", lambda i: i % 3
        ),
    )
    column, why = find_roles(made, Roles()).entity
    assert column == "user_name"
    assert "texts each" in why
    assert find_roles(made, Roles(label="user_name")).entity[0] == "thread_id"
    made = table(
        "note_id INT, body VARCHAR, at_ TIMESTAMP, user_id DOUBLE, kind_id INT, user INT",
        rows(lambda i: i, note, moment, lambda i: i % 12, lambda i: i % 3, lambda i: i),
    )
    assert find_roles(made, Roles()).entity is None
