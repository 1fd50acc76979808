import warnings

import pandas as pd
import pytest
from feast import FeatureStore

from embfeast import EmbfeastError
from embfeast.plugin.online.status import STATUS
from embfeast.plugin.training import hindsight
from tests.small_repository import day


def status(store, *keys):
    service = store.get_feature_service("all")
    rows = [{"review_id": key} for key in keys]
    return store.get_online_features(service, rows).to_dict()[STATUS]


def test_every_lookup_says_whether_its_values_are_current_or_missing(ready):
    _, store, _ = ready
    assert status(store, 1, 999, 2) == ["current", "missing", "current"]
    by_name = store.get_online_features(
        ["review_reduced:reduced", "review_reduced:review_reduced_digest"], [{"review_id": 1}]
    ).to_dict()
    assert by_name[STATUS] == ["current"]


def test_values_of_an_earlier_recipe_are_reported_until_the_new_one_is_materialized(ready):
    repo, _, first = ready
    store = repo.apply(repo.fit(day(6.5)))
    told = status(store, 1, 999)
    assert told[0].startswith("another recipe: ")
    assert f"review_reduced={first.digest[:12]}" in told[0]
    assert told[1] == "missing"
    # One view after the other gets its new values: until the last one, the rows are mixed.
    store.materialize(day(-1), day(20), feature_views=["review_reduced", "review_cluster"])
    assert "another recipe" in status(store, 1)[0]
    store.materialize(day(-1), day(20))
    assert status(store, 1) == ["current"]


def test_where_strictness_is_asked_for_such_a_lookup_fails(ready):
    repo, _, _ = ready
    repo.apply(repo.fit(day(6.5)))
    strict = FeatureStore(config=repo.config(strict_versions=True))
    with pytest.raises(EmbfeastError, match="1 of 1 rows hold values of another recipe"):
        status(strict, 1)
    strict.materialize(day(-1), day(20))
    assert status(strict, 1) == ["current"]


def test_history_from_before_the_fits_cutoff_is_warned_of_once(ready):
    repo, store, fitted = ready
    hindsight._said_hindsight.clear()
    old = pd.DataFrame({"review_id": [1], "event_timestamp": [day(3)]})
    with pytest.warns(UserWarning, match=f"'reviews' .{fitted.digest[:12]}. was fitted on texts"):
        repo.training_set(store, old)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        repo.training_set(store, old)
        hindsight._said_hindsight.clear()
        repo.training_set(store, old.assign(event_timestamp=day(9)))
