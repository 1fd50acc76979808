"""`embfeast init` on what it may be pointed at; round trips are in tests/scaffold."""

import json
import re
import shlex
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import yaml
from typer.testing import CliRunner

from embfeast.cli import app
from embfeast.errors import EmbfeastError
from tests.scaffold.conftest import note

COLUMNS = "visit_id BIGINT, note VARCHAR, seen TIMESTAMPTZ"
START = datetime.fromisoformat("2026-03-01T08:00:00+00:00")


def rows(count=40):
    return [(i, note(i), START + timedelta(hours=i)) for i in range(count)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(made, columns=COLUMNS, table="visits", path="visits.duckdb"):
    with duckdb.connect(path) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE TABLE {table} ({columns})")
        if made:
            connection.executemany(
                f"INSERT INTO {table} VALUES ({', '.join('?' * len(made[0]))})", made
            )


def init(*words):
    ran = CliRunner().invoke(app, ["init", *map(str, words)], catch_exceptions=True)
    if isinstance(ran.exception, EmbfeastError):
        return f"error: {ran.exception}"
    if ran.exception is not None:
        raise ran.exception
    return ran.stdout


def test_what_was_seen_and_why_is_said_and_nothing_is_asked(folder):
    write(rows())
    said = init("repo", "--database", "visits.duckdb")
    for part in ("40 rows, 40 keys", "letters: Latin 100%", "unique in every row", "next:"):
        assert part in said
    assert "embfeast lookup --repo repo --key visit_id=39" in said


def test_each_setting_of_the_recipe_carries_its_figure(folder):
    write(rows())
    init("repo", "--database", "visits.duckdb", "--yes")
    text = Path("repo/recipe.yaml").read_text()
    assert "% of the variance of 31 texts" in text
    assert "silhouette" in text
    assert "# Left out: feature_synthesizer" in text
    assert list(yaml.safe_load(text)["tricks"])[:2] == ["embedding", "similarity"]
    assert max(map(len, text.splitlines())) <= 100


def test_json_says_all_of_it_and_nothing_else(folder):
    write(rows())
    found = json.loads(init("repo", "--database", "visits.duckdb", "--json"))
    assert found["roles"]["key"] == ["visit_id"]
    assert found["next"][1] == "feast -c repo apply"
    assert all(Path(file).exists() for file in found["files"])


def test_only_texts_before_the_cutoff_are_looked_at(folder):
    late = [(100 + i, f"Later matter {i}", START + timedelta(days=90)) for i in range(8)]
    write(rows() + late)
    found = json.loads(init("repo", "--database", "visits.duckdb", "--json"))
    assert found["sample"]["rows"] == found["survey"]["before"] == 37


def test_rows_of_one_moment_are_said_to_be_so_and_all_are_looked_at(folder):
    write([(i, text, START) for i, text, _ in rows()])
    found = json.loads(init("repo", "--database", "visits.duckdb", "--json"))
    assert "all texts are of one moment" in " ".join(found["roles"]["notes"])
    assert found["survey"]["before"] == 40


def test_the_proposed_lookup_is_of_the_newest_text_that_has_features(folder):
    made = rows()
    made[-1] = (39, " \u00a0", made[-1][2])  # the newest is blank
    made[0] = (38, "", START + timedelta(hours=40))  # so is the last revision of the next one
    made.append((500, note(500), START + timedelta(days=36_500)))  # and one is of the future
    write(made)
    assert "lookup --repo repo --key visit_id=37" in init(
        "repo", "--database", "visits.duckdb", "--key", "visit_id"
    )


@pytest.mark.parametrize("moment", ["'infinity'", "'9999-12-31 23:59:59'", "'0044-03-15 (BC)'"])
def test_times_that_no_calendar_has_are_refused_with_the_query_that_leaves_them_out(folder, moment):
    write(rows())
    with duckdb.connect("visits.duckdb") as connection:
        connection.execute(f"INSERT INTO visits VALUES (99, 'x', TIMESTAMPTZ {moment})")
    said = init("repo", "--database", "visits.duckdb", "--yes")
    assert "1 of 41 rows have a 'seen' that is infinite" in said
    query = shlex.split(said[said.index("--query ") :])[1]
    assert "40 rows" in init("repo", "--database", "visits.duckdb", "--query", query)


@pytest.mark.parametrize("options", [["--time", "seen"], ["--time", "2026-01-01"]])
def test_proposals_run_when_pasted_and_one_goes_on_where_the_last_one_ended(folder, options):
    epochs = [(str(i), text, int(moment.timestamp())) for i, text, moment in rows()]
    extra = [(None, "no key", epochs[0][2]), ("7", "a second one", epochs[7][2])]
    write(
        [(*row, 1.5) for row in epochs + extra],
        "visit VARCHAR, note VARCHAR, seen BIGINT, x DOUBLE",
    )
    with duckdb.connect("visits.duckdb") as connection:
        connection.execute("ALTER TABLE visits ALTER visit TYPE DOUBLE")
    query = []
    for _ in range(3):
        words = ["--database", "visits.duckdb", "--key", "visit", *options, *query]
        said = init("repo", *words, "--yes")
        assert said.startswith("error: ")
        query = shlex.split(said[said.index("--query ") :])[:2]
        assert query[1].count("SELECT") == 1, "proposals do not nest"
    assert "40 rows, 40 keys" in init(
        "repo", "--database", "visits.duckdb", "--key", "visit", *options, *query
    )


def test_a_query_that_is_no_plain_selection_is_read_as_it_is(folder):
    write([*rows(), (None, "no key", START), (None, "nor here", START)])
    query = "SELECT * FROM visits WHERE true ORDER BY visit_id LIMIT 41"
    words = ["repo", "--database", "visits.duckdb", "--key", "visit_id", "--yes", "--query"]
    said = init(*words, query)
    proposed = shlex.split(said[said.index("--query ") :])[1]
    assert f"({query}\n)" in proposed
    assert "40 rows" in init(*words, proposed)


def test_a_table_of_hundreds_of_columns_is_looked_at_and_only_its_first_ones_are_printed(folder):
    write(rows())
    with duckdb.connect("visits.duckdb") as connection:
        more = ", ".join(f"'note ' || visit_id % {i + 2} AS c{i}" for i in range(300))
        connection.execute(f"CREATE TABLE wide AS SELECT {more}, * FROM visits")
    said = init("repo", "--database", "visits.duckdb", "--table", "wide", "--yes")
    assert "and 263 columns more. 40 rows" in " ".join(said.split())
    first = said.splitlines()[3:6]
    for name, taken in [("visit_id", "key"), ("note", "text"), ("seen", "time")]:
        assert any({name, taken} <= set(line.split()) for line in first)
    assert "c36" in said
    assert "c37" not in said


@pytest.mark.parametrize("width", [60, 100, 200])
def test_what_is_printed_fits_the_terminal(folder, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    write(rows(), f'visit_id BIGINT, "[/red] {"wide " * 9}" VARCHAR, seen TIMESTAMPTZ')
    table = [
        line
        for line in init("repo", "--database", "visits.duckdb").splitlines()
        if line[:1] in "┃│┏└"
    ]
    assert len(table) >= 6
    assert {len(line) for line in table} == {len(table[0])}
    assert len(table[0]) <= width


def test_times_given_as_numbers_are_converted_in_the_source(folder):
    epochs = [(i, text, int(moment.timestamp())) for i, text, moment in rows()]
    write(epochs, "visit_id BIGINT, note VARCHAR, seen BIGINT")
    said = init("repo", "--database", "visits.duckdb", "--time", "seen")
    assert "seen: taken as seconds since 1970, from 2026-03-01 to 2026-03-02" in said
    assert "* REPLACE" in Path("repo/sources.py").read_text()


def test_a_day_that_may_be_a_month_is_asked_about_and_never_guessed(folder):
    made = [(i, text, f"0{1 + i % 9}/0{1 + i % 7}/2026") for i, text, _ in rows()]
    write(made, "visit_id BIGINT, note VARCHAR, seen VARCHAR")
    assert "--time-format day-first" in init("repo", "--database", "visits.duckdb", "--yes")
    assert not Path("repo").exists()
    options = ["--database", "visits.duckdb", "--yes", "--time-format", "month-first"]
    assert "taken as dates with the month first" in init("repo", *options)


def test_what_a_file_lacks_is_told_by_options(folder):
    lines = [f"{i}|{text}|{moment:%d.%m.%Y %H:%M}" for i, text, moment in rows()]
    Path("v.csv").write_bytes("\n".join(lines).replace("kitchen", "Küche").encode("cp1252"))
    said = init("repo", "--file", "v.csv", "--yes")
    assert "looks like data" in said
    assert not Path("repo").exists()
    said = init("repo", "--file", "v.csv", "--yes", "--no-header")
    for part in ("parted by a bar", "taken to be in cp1252", "day first", "key: column0"):
        assert part in said
    write(rows())
    assert "go with --file" in init("other", "--database", "visits.duckdb", "--delimiter", ";")


def test_long_names_of_columns_are_shortened_where_they_are_printed(folder):
    name = "How satisfied are you with the answer that you have had? " * 3
    write(rows(), f'visit_id BIGINT, "{name}" VARCHAR, seen TIMESTAMPTZ')
    said = init("repo", "--database", "visits.duckdb", "--yes")
    assert name not in said
    assert f"text: {name[:50]}" in said
    assert name in Path("repo/sources.py").read_text()


def test_a_model_for_english_is_named_where_texts_are_in_another_script(folder):
    write([(i, f"Кухня номер {i} была чистой", moment) for i, _, moment in rows()])
    said = init("repo", "--database", "visits.duckdb")
    assert "100% Cyrillic: the model all-MiniLM-L6-v2 reads English" in said


def test_long_texts_are_read_whole(folder):
    write(
        [
            (i, f"Visit {i}: {note(i)} " + "the kitchen was clean and " * 80, moment)
            for i, _, moment in rows()
        ]
    )
    said = init("repo", "--database", "visits.duckdb")
    assert "longer than the model's window of 256 word pieces" in said
    tricks = yaml.safe_load(Path("repo/recipe.yaml").read_text())["tricks"]
    assert tricks["pooled"]["long_texts"] == "windows"


def test_texts_of_several_topics_are_pooled_by_sentence(folder):
    topics = ["The parcel is late.", "My cat is ill.", "Add dark mode!", "Rain is falling.",
              "Pay the tax.", "Football starts at six.", "The oven is hot."]  # fmt: skip
    made = [
        (i, " ".join(topics[(i + 2 * j + i // 7) % 7] for j in range(4)) + f" {i}", moment)
        for i, _, moment in rows()
    ]
    write(made)
    init("repo", "--database", "visits.duckdb")
    tricks = yaml.safe_load(Path("repo/recipe.yaml").read_text())["tricks"]
    assert tricks["pooled"]["long_texts"] == "sentences"


# Nothing below gets as far as a repository.

BAD = {
    "an empty table": ([], COLUMNS, [], "is empty"),
    "one row": (rows(1), COLUMNS, [], "distinct texts in note"),
    "one text again and again": (
        [(i, "the same", moment) for i, _, moment in rows()],
        COLUMNS,
        ["--text", "note"],
        "has 1 distinct texts",
    ),
    "blank texts alone": (
        [(i, "  ", moment) for i, _, moment in rows()],
        COLUMNS,
        ["--text", "note"],
        "holds no text in any row",
    ),
    "numbers for texts": (
        [(i, str(i), moment) for i, _, moment in rows()],
        COLUMNS,
        ["--text", "note"],
        "holds numbers",
    ),
    "one text for a pair": (rows(), COLUMNS, ["--text", "note", "--pair"], "the two text columns"),
    "a pair of one text": (
        rows(),
        COLUMNS,
        ["--text", "note", "--text", "note", "--pair"],
        "the two text columns of a row",
    ),
    "a pair and the other's key": (
        rows(),
        COLUMNS,
        ["--text", "note", "--text", "note2", "--pair", "--pairs", "other"],
        "leave --pairs out",
    ),
    "a pair's label of one value": (
        [(*row, row[1] + "!", 1) for row in rows()],
        f"{COLUMNS}, second VARCHAR, same INTEGER",
        ["--text", "note", "--text", "second", "--pair", "--label", "same"],
        "label 'same' has one value",
    ),
    "a time that is named as a pair's texts": (
        [(row[0], row[1], row[1] + "!", row[2]) for row in rows()],
        "visit_id BIGINT, note VARCHAR, second VARCHAR, text TIMESTAMPTZ",
        ["--text", "note", "--text", "second", "--pair"],
        "give it another name",
    ),
    "a missing column": (rows(), COLUMNS, ["--text", "notes"], "did you mean 'note'"),
    "no time": ([r[:2] for r in rows()], "visit_id BIGINT, note VARCHAR", [], "--time 2026-01-01"),
    "no key": (
        [(r[1], date(2026, 1, 1)) for r in rows()],
        "note VARCHAR, day DATE",
        [],
        "name the key with --key",
    ),
    "null keys": (
        [*rows(), (None, "x", START)],
        COLUMNS,
        ["--key", "visit_id"],
        "1 of 41 rows have no 'visit_id'.*--query '.*IS NOT NULL'",
    ),
    "null times": ([*rows(), (99, "x", None)], COLUMNS, [], "1 of 41 rows have no 'seen'"),
    "two rows of one key and time": (
        [*rows(), rows(1)[0]],
        COLUMNS,
        ["--key", "visit_id"],
        r"2 rows have the same key and time \(visit_id=0, seen=2026-03-01.*--query '.*DISTINCT ON",
    ),
    "a missing table": (rows(), COLUMNS, ["--table", "visit"], "did you mean 'visits'"),
    "a query that fails": (rows(), COLUMNS, ["--query", "SELECT x FROM visits"], "query: .*x"),
    "table and query": (rows(), COLUMNS, ["--query", "SELECT 1", "--table", "t"], "either"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_in_advice_and_writes_nothing(folder, case):
    made, columns, options, message = BAD[case]
    write(made, columns)
    said = init("repo", "--database", "visits.duckdb", "--yes", *options)
    assert said.startswith("error: ")
    assert re.search(message, said, re.DOTALL), said
    assert not Path("repo").exists()
    assert not list(folder.glob(".embfeast_*"))


def test_advice_for_null_keys_works_as_typed(folder):
    write([*rows(), (None, "x", START)])
    said = init("repo", "--database", "visits.duckdb", "--key", "visit_id")
    query = said.split("--query '")[1].rstrip("'")
    init("repo", "--database", "visits.duckdb", "--query", query, "--key", "visit_id")
    assert "IS NOT NULL" in Path("repo/sources.py").read_text()


def test_a_database_open_for_writing_is_said(folder):
    write(rows())
    with duckdb.connect("visits.duckdb"):
        assert "open for writing" in init("repo", "--database", "visits.duckdb")


def test_files_and_databases_that_are_none_are_said(folder):
    assert "does not exist" in init("repo", "--database", "none.duckdb")
    Path("notes.txt").write_text("x")
    assert "not a DuckDB database" in init("repo", "--database", "notes.txt")
    assert "unknown kind of file" in init("repo", "--file", "notes.txt")
    assert "--database D.duckdb or --file F.csv" in init("repo")
    Path("a.csv").write_text("x\n1\n")
    assert "give it by --file" in init("repo", "--database", "a.csv")


def test_a_file_is_loaded_into_the_repository(folder):
    lines = [f"{i},{text},{moment:%Y-%m-%dT%H:%M}" for i, text, moment in rows()]
    Path("Visits 2026.csv").write_text("\n".join(["visit,note,seen", *lines]))
    said = init("repo", "--file", "Visits 2026.csv", "--yes")
    assert "key: visit, unique" in said
    assert Path("repo/data/visits_2026.duckdb").is_file()
    assert not list(folder.glob(".embfeast_*"))


def test_a_folder_with_other_things_in_it_is_left_alone(folder):
    write(rows())
    Path("repo").mkdir()
    Path("repo/thesis.txt").write_text("mine")
    assert "is not empty" in init("repo", "--database", "visits.duckdb")
    assert [path.name for path in Path("repo").iterdir()] == ["thesis.txt"]


def test_an_existing_repository_keeps_every_file_and_is_told_what_to_change(folder):
    write(rows())
    repo = Path("repo")
    repo.mkdir()
    own = "project: shop\nregistry: data/registry.db\nonline_store:\n  type: redis\n"
    (repo / "feature_store.yaml").write_text(own)
    (repo / "entities.py").write_text("# mine\n")
    said = init("repo", "--database", "visits.duckdb", "--yes")
    assert (repo / "feature_store.yaml").read_text() == own
    assert (repo / "entities.py").read_text() == "# mine\n"
    assert "from embfeast_entities import visit" in (repo / "embfeast_views.py").read_text()
    assert "    provider: embfeast.plugin.TextFeatureProvider" in said
    merged = yaml.safe_load((repo / "feature_store.embfeast.yaml").read_text())
    assert merged["online_store"] == {"type": "redis"}
    assert merged["registry"]["path"] == "data/registry.db"
    assert "are never overwritten" in init("repo", "--database", "visits.duckdb", "--yes")


def test_long_texts_that_begin_alike_are_said(folder):
    write([(i, "the kitchen was clean and " * 80 + str(i), moment) for i, _, moment in rows()])
    assert "since they begin alike" in init("repo", "--database", "visits.duckdb")
