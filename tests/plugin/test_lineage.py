"""What Feast's OpenLineage emitter writes of a repository of texts, read from its file."""

import json
import logging

import pytest
from feast.repo_config import RepoConfig

from tests.small_repository import SETTINGS, day

pytest.importorskip("openlineage.client", reason="needs openlineage-python")


@pytest.fixture
def emitted(repo, caplog, monkeypatch):
    """The events of an apply and a materialization, and the fitted recipe."""
    tricks = {name: SETTINGS["tricks"][name] for name in ("reduced", "pair")}
    fitted = repo.fit(day(8), {**SETTINGS, "tricks": tricks})
    file = repo.path / "events.json"
    # Of `openlineage` in feature_store.yaml Feast passes on neither file nor append.
    for name, value in {"TYPE": "file", "LOG_FILE_PATH": str(file), "APPEND": "true"}.items():
        monkeypatch.setenv(f"OPENLINEAGE__TRANSPORT__{name}", value)
    config = repo.config().model_dump(by_alias=True, exclude_none=True)
    repo.config = lambda: RepoConfig(**config, openlineage={"enabled": True})
    with caplog.at_level(logging.WARNING):
        repo.apply(fitted).materialize(day(-1), day(20))
    said = [f"{one.name}: {one.getMessage()}" for one in caplog.records]
    said = [line for line in said if "lineage" in line.lower()]
    return [json.loads(line) for line in file.read_text().splitlines()], fitted, said


def names(event, side) -> set[str]:
    return {one["name"] for one in event[side]}


def test_an_apply_and_a_materialization_are_told_without_an_error(emitted):
    events, _, said = emitted
    assert said == []
    by_job = {event["job"]["name"]: event for event in events}
    applied = by_job["feast_feature_views_reviews"]
    assert {"reviews", "review_reduced_table"} <= names(applied, "inputs")
    views = {"review_text", "review_reduced", "review_pair", "review_live"}
    assert views <= names(applied, "outputs")
    assert names(by_job["feature_service_all"], "inputs") == {"review_reduced"}
    assert names(by_job["feature_service_pair"], "inputs") == {"review_pair"}
    ended = by_job["materialize_reviews"]
    assert ended["eventType"] == "COMPLETE"
    assert "online_store_review_reduced" in names(ended, "outputs")


def test_texts_are_named_by_their_database_and_features_by_recipe_and_cutoff(emitted):
    events, fitted, _ = emitted
    facets = {one["name"]: one["facets"] for event in events for one in event["inputs"]}
    texts = facets["reviews"]["feast_dataSource"]
    assert (texts["path"], texts["table"]) == ("data/reviews.duckdb", "reviews")
    for tags in (
        facets["review_reduced"]["feast_featureView"]["tags"],
        facets["review_reduced_table"]["feast_dataSource"]["tags"],
    ):
        assert tags["embfeast.digest"] == fitted.digest
        assert tags["embfeast.as_of"] == "2026-03-09T00:00:00+00:00"
