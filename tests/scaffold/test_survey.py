from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from embfeast.plugin import DuckDBSource
from embfeast.recipe import Recipe
from embfeast.repository.fitting import fit_on_source
from embfeast.scaffold.roles import Roles, find_roles
from embfeast.scaffold.survey import draw, survey
from embfeast.scaffold.table import open_table
from tests.scaffold.conftest import note

START = datetime(2026, 3, 1, tzinfo=UTC)
ROLES = Roles(text=("body",), key=("id",), time="written")


def write(path: Path, select: str) -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE TABLE t AS {select}")
    return path


@pytest.fixture
def notes(tmp_path, shell):
    rows = [(i, note(i), START + timedelta(hours=i), START + timedelta(days=i)) for i in range(43)]
    columns = "id BIGINT, body VARCHAR, written TIMESTAMPTZ, known TIMESTAMPTZ"
    return shell.table("t", columns, rows)


def test_the_proposed_cutoff_is_the_one_that_a_fit_takes(notes, tmp_path):
    with open_table(notes, "t", None) as table:
        found = survey(table, ROLES)
    source = DuckDBSource(
        name="t", database=str(notes), table="t", text_columns="body", timestamp_field="written"
    )
    recipe = Recipe({"tricks": {"embedding": {"trick": "embedding"}}})
    fitted = fit_on_source(recipe, source, tmp_path, ["id"])
    assert not found.needs_as_of
    assert fitted.record.rows == found.before
    assert datetime.fromisoformat(fitted.record.as_of) == found.as_of


@pytest.mark.parametrize(
    ("counts", "before"),
    [
        ([100, 100, 400, 20], 600),  # the day that the share falls on holds most rows
        ([10] * 10, 80),
        ([300, 10, 10], 300),
        ([40], 40),
        ([50, 300], 350),
        ([250, 100], 250),
    ],
)
def test_where_times_are_whole_days_the_cutoff_lies_nearest_to_four_fifths(
    tmp_path, counts, before
):
    days = [day for day, count in enumerate(counts) for _ in range(count)]
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        rows = [(i, note(i), START + timedelta(day)) for i, day in enumerate(days)]
        given = pa.table(list(zip(*rows, strict=True)), ["id", "body", "written"])
        connection.register("given", given)
        connection.execute("CREATE TABLE t AS FROM given")
    with open_table(tmp_path / "t.duckdb", "t", None) as table:
        found = survey(table, ROLES)
    source = DuckDBSource(
        name="t", database=str(tmp_path / "t.duckdb"), table="t", text_columns="body",
        timestamp_field="written",
    )  # fmt: skip
    fitted = fit_on_source(
        Recipe({"tricks": {"e": {"trick": "embedding"}}}), source, tmp_path, ["id"]
    )
    assert fitted.record.rows == found.before == before
    assert not found.needs_as_of


def test_rows_that_were_known_late_ask_for_a_later_cutoff(notes):
    with open_table(notes, "t", None) as table:
        found = survey(table, Roles(text=("body",), key=("id",), time="written", created="known"))
    assert found.needs_as_of
    assert found.before == found.rows == 43


def test_the_same_texts_are_drawn_every_time_and_none_after_the_cutoff(notes):
    with open_table(notes, "t", None) as table:
        found = survey(table, ROLES)
        drawn = [draw(table, ROLES, found.as_of, rows=20).texts for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 20
    assert set(drawn[0]) <= {note(i) for i in range(found.before)}


@pytest.mark.slow
def test_ten_million_rows_are_surveyed_and_sampled(tmp_path):
    path = write(
        tmp_path / "big.duckdb",
        "SELECT i AS id, 'visit ' || i || ' to the kitchen of shop ' || i % 977 AS body, "
        "i % 5 AS stars, TIMESTAMPTZ '2026-01-01' + to_seconds(i) AS written "
        "FROM range(10_000_000) r(i)",
    )
    with open_table(path, "t", None) as table:
        roles = find_roles(table, Roles(label="stars"))
        found = survey(table, roles)
        drawn = draw(table, roles, found.as_of)
    assert (roles.text, roles.key, roles.time) == (("body",), ("id",), "written")
    assert (found.rows, found.keys, found.before) == (10_000_000, 10_000_000, 7_999_999)
    assert len(found.labels) == 5
    assert len(drawn.texts) == 2_000


@pytest.mark.parametrize("filler", ["1970-01-01", "1900-01-01"])
def test_dates_that_stand_for_a_missing_time_are_noted(filler, tmp_path):
    time = f"CASE WHEN i < 3 THEN DATE '{filler}' ELSE DATE '2026-01-01' + i::INT END"
    path = write(
        tmp_path / "t.duckdb",
        f"SELECT i AS id, 'text ' || i AS body, {time} AS at FROM range(40) r(i)",
    )
    with open_table(path, None, None) as table:
        found = survey(table, find_roles(table, Roles(("body",), ("id",), "at")))
    assert f"3 of 40 rows are of {filler}" in " ".join(found.notes)
