"""Two recipes online at once, as versions of Feast's views."""

from importlib import metadata

import pandas as pd
import pytest
from feast import FeatureService
from feast.repo_config import RepoConfig
from packaging.version import Version

from embfeast import EmbfeastError
from embfeast.plugin import feature_views, live_view, pair_view
from embfeast.recipe.versions import current_digest
from embfeast.repository.promoting import drop_version, promote
from tests.small_repository import Repo, day, sample_rows

SETTINGS = {
    "name": "reviews",
    "tricks": {
        "reduced": {"trick": "embedding_reducer", "n_components": 4},
        "pair": {"trick": "pair_interaction", "input": "reduced", "n_components": 3},
    },
}
KEYS = [{"review_id": key} for key in range(12)]


class VersionedRepo(Repo):
    def config(self, **engine) -> RepoConfig:
        stock = super().config(**engine)
        return RepoConfig(
            project="reviews",
            provider="embfeast.plugin.TextFeatureProvider",
            registry={
                **stock.registry_config,
                "enable_online_feature_view_versioning": True,
            },
            online_store=stock.online_config,
            offline_store=stock.offline_config,
            batch_engine=stock.batch_engine_config,
            entity_key_serialization_version=3,
            repo_path=self.path,
        )

    def apply_beside(self, fitted):
        """Apply as `feast apply --no-promote` does."""
        views = feature_views(fitted, source=self.source, entity=self.review)
        pairs = pair_view(fitted, views, entity=self.review, other=self.other)
        live = live_view(fitted, name="review")
        store = self.store()
        everything = [*views.values(), *pairs.values(), *live.values()]
        store.apply([self.review, self.other, *everything], no_promote=True)
        return store


def read(store, version: str = "") -> dict[str, list]:
    names = ("reduced", "review_reduced_digest")
    return store.get_online_features(
        [f"review_reduced{version}:{name}" for name in names], KEYS
    ).to_dict()


@pytest.fixture
def versioned(tmp_path):
    repo = VersionedRepo(tmp_path / "repo")
    repo.write_texts(sample_rows())
    old = repo.fit(day(8), SETTINGS)
    store = repo.apply(old)
    store.materialize(day(-1), day(20))
    return repo, old, read(store)


def training_set(store, version: str) -> pd.DataFrame:
    entities = pd.DataFrame({"review_id": range(12), "event_timestamp": [day(20)] * 12})
    return store.get_historical_features(entities, [f"review_reduced{version}:reduced"]).to_df()


def test_an_old_model_reads_its_recipe_while_a_new_one_is_made_promoted_and_taken_back(versioned):
    repo, old, before = versioned
    new = repo.fit(day(11), SETTINGS)
    store = repo.apply_beside(new)
    assert [one["version"] for one in store.list_feature_view_versions("review_reduced")] == [
        "v0",
        "v1",
    ]
    assert read(store) == before, "applied beside the promoted one"
    for view in ("review_reduced", "other_review_reduced"):
        store.materialize(day(-1), day(20), feature_views=[view], version="v1")
    made = read(store, "@v1")
    assert set(made["review_reduced_digest"]) == {new.digest}
    assert set(made["embfeast_status"]) == {"current"}
    assert read(store) == read(store, "@v0") == before

    both = [f"review_reduced@v{number}:reduced" for number in (0, 1)]
    beside = store.get_online_features(both, KEYS, full_feature_names=True).to_dict()
    assert beside["review_reduced@v0__reduced"] == before["reduced"]
    assert beside["review_reduced@v1__reduced"] == made["reduced"]

    assert promote(store, new.digest[:12])["review_reduced"] == "v1"
    store = repo.store()
    assert read(store) == made
    assert read(store, "@v0") == before, "pinned, and current of its own version"
    store = repo.apply(new)  # a plain `feast apply` of the promoted recipe changes nothing
    assert read(store) == made

    promote(store, old.digest[:12])
    assert current_digest(repo.recipes) == old.digest
    store = repo.store()
    assert read(store) == before
    store = repo.apply(old)
    assert read(store) == before
    assert len(store.list_feature_view_versions("review_reduced")) == 2


def test_training_sets_pin_versions(versioned):
    repo, _, _ = versioned
    first = training_set(repo.store(), "")
    store = repo.apply(repo.fit(day(11), SETTINGS))
    assert read(store)["embfeast_status"] == ["missing"] * 12, "not materialized yet"
    store.materialize(day(-1), day(20))
    pinned = training_set(store, "@v0")
    values = [column for column in pinned if column.endswith("reduced")]
    old = [None if v is None else v.tolist() for v in first["reduced"]]
    assert [None if v is None else v.tolist() for v in pinned[values[0]]] == old
    now = training_set(store, "")["reduced"]
    assert [None if v is None else v.tolist() for v in now] != old


services_pin = pytest.mark.skipif(
    Version(metadata.version("feast")) < Version("0.67.0.dev0"),
    reason="services of Feast 0.66 take views alone",
)
OLD_MODEL = ["review_reduced@v0:reduced", "review_reduced@v0:review_reduced_digest"]


def read_by_old_model(store) -> dict[str, list]:
    return store.get_online_features(store.get_feature_service("old_model"), KEYS).to_dict()


@services_pin
def test_services_pin_versions(versioned):
    repo, _, before = versioned
    store = repo.apply(repo.fit(day(11), SETTINGS))
    store.apply([FeatureService(name="old_model", features=OLD_MODEL)])
    found = read_by_old_model(store)
    assert found["reduced"] == before["reduced"]
    assert set(found["embfeast_status"]) == {"current"}


@services_pin
def test_a_push_reaches_the_versions_that_services_pin(tmp_path):
    repo = VersionedRepo(tmp_path / "repo")
    repo.write_texts(sample_rows())
    old = repo.fit(day(8), SETTINGS)
    repo.apply(old, repo.push_source()).materialize(day(-1), day(20))
    new = repo.fit(day(11), SETTINGS)
    store = repo.apply(new, repo.push_source())
    store.materialize(day(-1), day(20))
    said = {"title": "parcel", "body": "it never came", "written_at": day(13), "known_at": day(13)}

    store.push("review_push", pd.DataFrame([{"review_id": 1, **said}]))
    unpinned = read(store, "@v0")
    store.apply([FeatureService(name="old_model", features=OLD_MODEL)])
    store.push("review_push", pd.DataFrame([{"review_id": 3, **said}]))
    found, now = read_by_old_model(store), read(store)
    assert found["reduced"][1] == unpinned["reduced"][1], "pushed before a service pinned it"
    assert found["reduced"][3] != unpinned["reduced"][3]
    assert set(found["review_reduced_digest"]) == {old.digest}
    assert set(found["embfeast_status"]) == {"current"}
    assert now["reduced"][1] == now["reduced"][3], "the promoted version has both"
    assert set(now["review_reduced_digest"]) == {new.digest}

    promote(store, old.digest)
    store.push("review_push", pd.DataFrame([{"review_id": 5, **said}]))
    again = read(store)["reduced"]
    assert again[5] == again[3] == found["reduced"][3], "the bits that the promoted recipe gives"


@services_pin
def test_a_version_that_a_service_pins_is_not_dropped(versioned):
    repo, old, before = versioned
    store = repo.apply(repo.fit(day(11), SETTINGS))
    store.apply([FeatureService(name="old_model", features=OLD_MODEL)])
    with pytest.raises(EmbfeastError, match="pinned by feature service 'old_model'"):
        drop_version(store, old.digest)
    assert read_by_old_model(store)["reduced"] == before["reduced"]
    store.delete_feature_service("old_model")
    assert drop_version(store, old.digest)["review_reduced@v0"] == 12


def test_dropping_a_version_frees_its_rows_alone(versioned):
    repo, old, _ = versioned
    store = repo.apply(repo.fit(day(11), SETTINGS))
    store.materialize(day(-1), day(20))
    made = read(store)
    freed = drop_version(store, old.digest[:12])
    assert freed == {"review_reduced@v0": 12, "other_review_reduced@v0": 12}
    assert read(store, "@v0")["reduced"] == [None] * 12
    assert read(store) == made
    assert training_set(store, "@v0").shape[0] == 12


def test_the_promoted_version_is_not_dropped_and_unknown_ones_are_named(versioned):
    repo, old, before = versioned
    with pytest.raises(EmbfeastError, match="is promoted"):
        drop_version(repo.store(), old.digest)
    with pytest.raises(EmbfeastError, match="no view has a version"):
        promote(repo.store(), "0000")
    assert read(repo.store()) == before


def test_without_versions_online_there_is_nothing_to_promote(ready):
    _, store, fitted = ready
    with pytest.raises(EmbfeastError, match="enable_online_feature_view_versioning"):
        promote(store, fitted.digest)
