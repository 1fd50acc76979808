"""Feast's `precompute_online` on Redis, beside a lookup of the same features without it."""

import uuid

import pandas as pd
import pytest
from feast import FeatureService, FeatureStore
from feast.data_source import PushMode

from embfeast.plugin.online import precomputed
from embfeast.plugin.online.precomputed import remove_vectors
from embfeast.repository import forget
from tests.plugin.test_online_stores import ServerRepo
from tests.services import REDIS, redis_keys
from tests.small_repository import day, sample_rows

pytestmark = pytest.mark.slow

VIEWS = ["review_embedding", "review_reduced", "review_cluster"]
KEYS = [*range(12), 3]  # one of them twice
SETTINGS = {
    "name": "reviews",
    "tricks": {
        "embedding": {"trick": "embedding"},
        "reduced": {"trick": "embedding_reducer", "n_components": 4},
        "cluster": {"trick": "cluster_features", "n_clusters": 2},
        "pair": {"trick": "pair_interaction", "input": "reduced", "n_components": 3},
    },
}


class PrecomputedRepo(ServerRepo):
    """A repository with a service of vectors, and one of the same features without."""

    def apply(self, fitted, source=None) -> FeatureStore:
        store = super().apply(fitted, source)
        views = [store.get_feature_view(name) for name in VIEWS]
        other = store.get_feature_view("other_review_reduced")
        store.apply(
            [
                FeatureService(name="rows", features=views),
                FeatureService(name="vectors", features=views, precompute_online=True),
                FeatureService(name="two_keys", features=[views[2], other], precompute_online=True),
                FeatureService(
                    name="bare", features=[views[1][["reduced"]]], precompute_online=True
                ),
            ]
        )
        return store


@pytest.fixture
def made(tmp_path):
    project = f"embfeast_{uuid.uuid4().hex[:12]}"
    with redis_keys(project) as client:
        online = {"type": "redis", "connection_string": f"{REDIS['host']}:{REDIS['port']}"}
        repo = PrecomputedRepo(tmp_path / "repo", project, online)
        repo.write_texts(sample_rows())
        fitted = repo.fit(day(8), SETTINGS)
        store = repo.apply(fitted, repo.push_source())
        store.materialize(day(-1), day(20))
        yield repo, store, client
        client.delete(f"embfeast:precomputed:{project}")


@pytest.fixture
def answers(monkeypatch):
    """Whether each lookup was answered by vectors."""
    noted, answer = [], precomputed._answer

    def note(*given):
        noted.append(answer(*given))
        return noted[-1]

    monkeypatch.setattr(precomputed, "_answer", note)
    return noted


def look_up(store, service, keys=KEYS, **options):
    rows = [{"review_id": key} for key in keys]
    response = store.get_online_features(store.get_feature_service(service), rows, **options)
    columns = {}
    for name, result in zip(
        response.proto.metadata.feature_names.val, response.proto.results, strict=True
    ):
        columns[name] = [
            [part.SerializeToString() for part in result.values],
            list(result.statuses),
            [moment.ToMicroseconds() for moment in result.event_timestamps],
        ]
    return columns, response.to_dict()


def correct(store):
    """Push another text of a review, of the same time."""
    row = {"review_id": 7, "title": "late", "body": "Corrected", "written_at": day(7)}
    frame = pd.DataFrame([row | {"known_at": day(7)}])
    store.push("review_push", frame, to=PushMode.ONLINE_AND_OFFLINE)


def assert_same(store, keys=KEYS, **options):
    vectors, rows = (look_up(store, service, keys, **options) for service in ("vectors", "rows"))
    assert vectors == rows
    return vectors[1]


@pytest.mark.parametrize("names", [False, True])
def test_vectors_give_the_bits_times_and_statuses_that_rows_give(made, answers, names):
    _, store, _ = made
    found = assert_same(store, full_feature_names=names)
    assert answers == [True]
    assert set(found["embfeast_status"]) == {"current"}


def test_a_key_without_a_vector_is_a_row_of_nulls(made, answers):
    _, store, _ = made
    found = assert_same(store, [1, 999, 2])
    assert answers == [False]
    assert found["embfeast_status"] == ["current", "missing", "current"]
    assert found["reduced"][1] is None
    assert found["reduced"][0] is not None


def test_a_refit_leaves_no_stale_vector(made, answers):
    repo, store, _ = made
    before = assert_same(store)
    second = repo.fit(day(11), SETTINGS)
    store = repo.apply(second, repo.push_source())
    assert "another recipe" in assert_same(store)["embfeast_status"][1], "said, as of rows"
    store.materialize_incremental(day(23))
    found = assert_same(store)
    assert set(found["review_reduced_digest"]) == {second.digest}
    assert set(found["embfeast_status"]) == {"current"}
    assert found["reduced"] != before["reduced"]
    assert answers == [True, False, True]


def test_a_push_and_a_correction_at_the_same_time_leave_no_stale_vector(made, answers):
    _, store, _ = made
    before = assert_same(store)
    correct(store)
    found = assert_same(store)
    assert found["embedding"][7] != before["embedding"][7]
    assert found["embedding"][:7] == before["embedding"][:7]
    store.precompute_feature_service("vectors")
    assert assert_same(store) == found
    assert answers == [True, False, True]


def test_a_forgotten_key_has_no_vector(made, answers):
    _, store, _ = made
    forget(store, {"review_id": 3})
    found = assert_same(store, [3])
    assert found["embfeast_status"] == ["missing"]
    assert found["embedding"] == [None]


def test_feasts_own_write_leaves_no_stale_vector(made):
    _, store, _ = made
    row = assert_same(store, [3])
    frame = {"review_id": [3], "event_timestamp": [day(25)], "created_timestamp": [day(25)]}
    frame |= {name: row[name] for name in ("reduced", "review_reduced_digest")}
    frame["reduced"] = [[0.5, 1.5, 2.5, 3.5]]
    store.write_to_online_store("review_reduced", pd.DataFrame(frame))
    assert assert_same(store, [3])["reduced"] == frame["reduced"]


def test_a_vector_made_of_rows_that_were_replaced_meanwhile_is_not_kept(made, answers, monkeypatch):
    """Feast reads many keys at once and writes their vectors one by one, later."""
    _, store, _ = made
    before = assert_same(store)
    online = store._get_provider().online_store
    read, pushed = online.online_read, []

    def read_then_push(*given, **more):
        rows = read(*given, **more)
        if not pushed:
            pushed.append(correct(store))
        return rows

    monkeypatch.setattr(online, "online_read", read_then_push)
    store.precompute_feature_service("vectors")
    assert assert_same(store)["embedding"][7] != before["embedding"][7]
    assert_same(store, [1, 2])
    assert answers == [True, False, True]


def test_views_of_two_keys_and_features_without_a_digest_are_read_from_rows(made, answers):
    _, store, _ = made
    rows = [{"review_id": 1, "other_review_id": 2}]
    found = store.get_online_features(store.get_feature_service("two_keys"), rows).to_dict()
    plain = look_up(store, "rows", [2])[1]["reduced"]
    assert found["other_reduced"] == plain
    assert answers == []
    assert look_up(store, "bare", [2])[1]["reduced"] == plain
    assert answers == [False]


def test_nothing_is_left_on_the_server(made):
    repo, store, client = made
    register = f"embfeast:precomputed:{repo.project}"
    assert client.exists(register)
    store.teardown()
    assert not client.exists(register)
    remove_vectors(client, repo.project, [b"any"])
