"""`embfeast similar` on a materialized repository."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from tests.small_repository import materialized  # noqa: F401

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def similar(materialized):  # noqa: F811
    repo, _, _ = materialized
    config = {
        "project": "reviews",
        "provider": "embfeast.plugin.TextFeatureProvider",
        "registry": {"path": "data/registry.db"},
        "online_store": {"type": "sqlite", "path": "data/online.db"},
        "offline_store": {"type": "embfeast.plugin.DuckDBOfflineStore"},
        "batch_engine": {"type": "embfeast.plugin.EmbeddingComputeEngine"},
        "entity_key_serialization_version": 3,
    }
    (repo.path / "feature_store.yaml").write_text(yaml.safe_dump(config))

    def run(*words, code=0, width=120):
        ended = subprocess.run(
            [sys.executable, "-m", "embfeast.cli", "similar", *words, "--repo", str(repo.path)],
            capture_output=True,
            text=True,
            env=os.environ | {"COLUMNS": str(width)},
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout if not code else ended.stderr

    return run


def test_a_text_and_a_key_are_answered_in_json_with_whole_texts(similar):
    rows = json.loads(similar("review_embedding", "--text", "a refund", "-k", "2", "--json"))
    assert [sorted(row) for row in rows] == [["event_timestamp", "review_id", "score", "text"]] * 2
    assert {row["review_id"]: row["text"] for row in rows} == {
        number: f"refund\nSomething about the refund of number {number}" for number in (3, 11)
    }
    rows = json.loads(similar("review_embedding", "--key", "review_id=3", "-k", "1", "--json"))
    assert rows[0]["review_id"] == 11


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_people_get_a_table_of_one_line_a_text_at_any_width(similar, width):
    said = similar("review_embedding", "--text", "a refund", "-k", "3", width=width)
    lines = said.splitlines()
    assert len(lines) == 3 + 3 + 1, "borders, headings, and a line a text"
    assert {len(line) for line in lines} <= set(range(width + 1))
    assert all(word in lines[1] for word in ("review_id", "score", "event_timestamp", "text"))
    assert "refund Someth" in said
    assert ("refund of number 11" in said) == (width >= 120)
    assert ("…" in said) == (width < 120)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("review_embedding", "--key", "3"), "give name=value"),
        (("review_embedding",), "give either --key name=value or --text"),
        (("reviews", "--text", "a"), "views with a vector are"),
    ],
)
def test_a_mistake_ends_in_one_line(similar, words, message):
    said = similar(*words, code=1)
    assert message in said
    assert "Traceback" not in said
