"""The main job by its commands, on a small table: `make test-python` runs it on other Pythons."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from feast import FeatureStore

from tests.commands.conftest import feast, run

REVIEWS = Path(__file__).parents[1] / "docs" / "reviews.csv"

pytestmark = pytest.mark.slow


def test_from_a_file_to_a_training_set_and_the_same_values_online(tmp_path):
    repo = tmp_path / "shop"
    columns = ("--text", "body", "--key", "review_id", "--time", "written_at", "--label", "stars")
    run("init", repo, "--file", REVIEWS, *columns, "--yes")
    run("fit", "--repo", repo, "--as-of", "2026-04-15")
    feast(repo, "apply")
    run("materialize", "--repo", repo)

    reviews = pd.read_csv(REVIEWS, parse_dates=["written_at"]).dropna(subset="body")
    asked = reviews.groupby("review_id", as_index=False).tail(1)[["review_id", "stars"]].head(20)
    asked["event_timestamp"] = reviews["written_at"].max()
    store = FeatureStore(repo_path=str(repo))
    service = store.get_feature_service("review_features")
    training = store.get_historical_features(asked, service).to_df().sort_values("review_id")
    rows = [{"review_id": key} for key in training["review_id"]]
    online = store.get_online_features(service, rows).to_df()
    assert list(training["stars"]) == list(asked.sort_values("review_id")["stars"])
    features = [name for name in online if name not in ("review_id", "embfeast_status")]
    assert {"cluster", "embedding", "whitened"} <= set(features)
    for name in features:
        for offline, served in zip(training[name], online[name], strict=True):
            assert np.asarray(offline).tolist() == np.asarray(served).tolist(), name

    said = json.loads(run("lookup", "--repo", repo, "--key", "review_id=7", "--json").stdout)
    assert said["cluster"] == online.set_index("review_id")["cluster"][7]
    checks = json.loads(run("verify", "--repo", repo, "--json").stdout)
    assert checks
    assert all(check["ok"] for check in checks)
