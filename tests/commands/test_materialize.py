import json

import pytest

from tests.commands.conftest import fails, review, run, write

pytestmark = pytest.mark.slow

WHOLE = ["2024-01-01T12:00:00+00:00", "2024-01-16T12:00:00+00:00"]


def rows(repo, key="number=15"):
    return json.loads(
        run("lookup", "--repo", repo, "--key", "shop=south", "--key", key, "--json").stdout
    )


def test_the_whole_period_is_materialized_first_and_last_text_included(applied):
    ended = run("materialize", "--repo", applied)
    assert f"from {WHOLE[0]} to {WHOLE[1]}" in ended.stdout
    assert "16 texts read, 16 computed" in ended.stderr
    assert "16 texts read, 0 computed" in run("materialize", "--repo", applied).stderr
    assert rows(applied)["embfeast_status"] == "current"


def test_json_is_all_that_is_printed(applied):
    found = json.loads(run("materialize", "--repo", applied, "--json").stdout)
    assert [found["start"], found["end"]] == [moment.replace("T", " ") for moment in WHOLE]
    assert found["views"] == ["review_cluster", "review_reduced"]


def test_a_period_includes_both_ends(applied):
    said = run(
        "materialize", "--repo", applied, "--start", "2024-01-03T12", "--end", "2024-01-05T12"
    )
    assert "3 texts read" in said.stderr


def test_an_incremental_run_begins_at_the_first_text_and_then_where_the_last_has_ended(applied):
    first = run("materialize", "--repo", applied, "--incremental").stderr
    assert "16 texts read, 16 computed" in first, "though the texts are older than a year"
    write(applied, [review(16, 18, "south"), review(17, 2, "south", known=19)])
    second = run("materialize", "--repo", applied, "--incremental").stderr
    assert "3 texts read, 2 computed" in second  # the last one, the new one, the late one
    assert rows(applied, "number=17")["embfeast_status"] == "current"
    again = run("materialize", "--repo", applied, "--incremental", "--end", "2024-02-01").stderr
    assert " 0 computed" in again
    assert " 0 computed" in run("materialize", "--repo", applied, "--incremental").stderr


def test_mistakes_are_said(applied, repo):
    backwards = ["--start", "2024-01-09", "--end", "2024-01-02"]
    assert "lies after end" in fails("materialize", "--repo", applied, *backwards)
    both = ["--start", "2024-01-09", "--incremental"]
    assert "give no start" in fails("materialize", "--repo", applied, *both)
    run("fit", "--repo", applied, "--as-of", "2024-01-09")
    assert "run `feast apply`" in fails("materialize", "--repo", applied)


def test_a_repository_that_was_not_applied_is_said(repo):
    assert "run `feast apply` first" in fails("materialize", "--repo", repo)
