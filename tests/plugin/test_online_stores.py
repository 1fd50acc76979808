"""The main job over every online store and registry: one body, real servers."""

import uuid

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pytest
from feast import Entity, ValueType
from feast.repo_config import RepoConfig

from embfeast.plugin.feature_table import feature_table, is_ours
from embfeast.plugin.online.proto_rows import proto_rows
from embfeast.plugin.online.write import write_online
from embfeast.repository import forget
from embfeast.repository.check.verify import verify
from embfeast.tables.newest_rows import newest_rows
from embfeast.tables.table import Table
from tests.plugin.engine.test_entity_states import (
    LASTING,
    NEW,
    SETTINGS,
    Stated,
    assert_states,
    pushed,
)
from tests.plugin.engine.test_entity_states import sample_rows as written_rows
from tests.services import POSTGRES, REDIS, keys_of, postgres_database, redis_keys
from tests.small_repository import Repo, day, sample_rows

pytestmark = pytest.mark.slow

BACKENDS = ["sqlite", "redis", "postgres", "postgres_pool", "postgres_registry"]
# What is written to these, tests in `online/` compare with Feast's own write.
MORE = ["pgvector", "dynamodb"]


class ServerRepo(Repo):
    """The small repository on another online store."""

    def __init__(self, path, project, online_store, registry=None):
        super().__init__(path)
        self.project, self.online_store = project, online_store
        self.registry = registry or {
            "path": str(path / "data" / "registry.db"),
            "registry_store_type": "embfeast.plugin.AtomicFileRegistryStore",
            "serve_features_while_materializing": True,
        }

    def config(self, **engine) -> RepoConfig:
        return RepoConfig(
            project=self.project,
            provider="embfeast.plugin.TextFeatureProvider",
            registry=self.registry,
            online_store=self.online_store,
            offline_store={"type": "embfeast.plugin.DuckDBOfflineStore"},
            batch_engine={"type": "embfeast.plugin.EmbeddingComputeEngine", **engine},
            entity_key_serialization_version=3,
            repo_path=self.path,
        )


class StatedServerRepo(ServerRepo, Stated):
    """The one whose writers have states, on another online store."""


def postgres_store(database, **more):
    return {"type": "postgres", "database": database, "sslmode": "disable", **POSTGRES, **more}


def postgres_url(database):
    login = f"{POSTGRES['user']}:{POSTGRES['password']}"
    return f"postgresql://{login}@{POSTGRES['host']}:{POSTGRES['port']}/{database}"


def tables(dbname, **server):
    with psycopg.connect(dbname=dbname, **(server or POSTGRES)) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row[0] for row in found}


def dynamodb_tables(repo):
    import boto3

    place = {"region_name": "eu-central-1", "endpoint_url": repo.online_store["endpoint_url"]}
    return boto3.client("dynamodb", **place).list_tables()["TableNames"]


@pytest.fixture(params=BACKENDS)
def backend(request, tmp_path):
    """A repository, and what its project has stored on the server."""
    project = f"embfeast_{uuid.uuid4().hex[:12]}"
    path = tmp_path / "repo"
    if request.param == "sqlite":
        online = {"type": "sqlite", "path": str(path / "data" / "online.db")}
        yield ServerRepo(path, project, online), None
    elif request.param == "redis":
        with redis_keys(project) as client:
            place = f"{REDIS['host']}:{REDIS['port']}"
            online = {"type": "redis", "connection_string": place}
            yield ServerRepo(path, project, online), lambda: keys_of(client, project)
    elif request.param == "pgvector":
        online = request.getfixturevalue("pgvector")
        place = {name: online[name] for name in POSTGRES}
        repo = ServerRepo(path, project, online)
        yield repo, lambda: [one for one in tables("postgres", **place) if one.startswith(project)]
    elif request.param == "dynamodb":
        repo = ServerRepo(path, project, request.getfixturevalue("dynamodb"))
        yield repo, lambda: [one for one in dynamodb_tables(repo) if one.startswith(project)]
    else:
        with postgres_database() as database:
            registry = None
            if request.param == "postgres_registry":
                registry = {
                    "registry_type": "sql",
                    "path": postgres_url(database),
                    "serve_features_while_materializing": True,
                }
            pool = {"conn_type": "pool"} if request.param == "postgres_pool" else {}
            repo = ServerRepo(path, project, postgres_store(database, **pool), registry)
            yield repo, lambda: [name for name in tables(database) if name.startswith(project)]


def bits(value):
    return None if value is None else np.asarray(value, dtype=np.float32).tobytes()


def assert_online_equals_offline(repo, store):
    keys = list(range(12))
    entities = pd.DataFrame({"review_id": keys, "event_timestamp": [day(20)] * 12})
    offline, online = repo.training_set(store, entities), repo.lookup(store, keys)
    features = [name for name in offline.columns if name not in entities]
    assert set(features) <= set(online)
    for name in features:
        for one, other in zip(offline[name], online[name], strict=True):
            if isinstance(one, str):
                assert one == other
            elif one is None or (np.isscalar(one) and np.isnan(one)):
                assert other is None
            else:
                assert bits(one) == bits(other), name


def breaches(store):
    return [finding for finding in verify(store, sample=None) if not finding.ok]


@pytest.mark.parametrize("backend", [*BACKENDS, *MORE], indirect=True)
def test_the_main_job_gives_the_same_bits_offline_and_online(backend):
    repo, stored = backend
    repo.write_texts(sample_rows())
    first = repo.fit(day(8))
    store = repo.apply(first)
    store.materialize(day(-1), day(20))
    assert_online_equals_offline(repo, store)
    assert repo.lookup(store, [4])["embedding"] == [None], "a blank text"
    assert repo.lookup(store, [999])["embedding"] == [None], "an unknown key"
    assert breaches(store) == []
    before = repo.lookup(store, range(12))
    store.materialize(day(1), day(3))
    assert repo.lookup(store, range(12)) == before, "an older period replaces nothing"

    repo.write_texts([(7, "late", "Corrected afterwards", day(7), day(21))])
    store.materialize_incremental(day(22))
    assert repo.lookup(store, [7])["embedding"] != [before["embedding"][7]], "same event time"
    assert breaches(store) == []

    second = repo.fit(day(11))
    store = repo.apply(second)
    store.materialize_incremental(day(23))
    digests = repo.lookup(store, range(12))["review_embedding_digest"]
    assert set(digests) == {second.digest} != {first.digest}, "no value of the old recipe stays"
    assert breaches(store) == []
    pair = [{"review_id": 1, "other_review_id": 7}]
    found = store.get_online_features(store.get_feature_service("pair"), pair).to_dict()
    assert found["pair"][0] is not None

    if stored is not None:
        assert stored()
        store.teardown()
        assert stored() == [], "nothing is left on the server"


def test_verify_finds_a_value_that_somebody_changed(backend):
    repo, _ = backend
    repo.write_texts(sample_rows())
    store = repo.apply(repo.fit(day(8)))
    store.materialize(day(-1), day(20))
    view = next(v for v in store.list_batch_feature_views() if v.name == "review_cluster")
    rows = repo.lookup(store, [3])
    frame = pd.DataFrame(
        {"review_id": [3], "event_timestamp": [day(25)], "created_timestamp": [day(25)]}
        | {field.name: [rows[field.name][0]] for field in view.features}
    )
    frame["cluster"] = 99
    store.write_to_online_store(view.name, frame)
    found = breaches(store)
    assert [(finding.view, finding.check) for finding in found] == [("review_cluster", "online")]
    store.materialize(day(-1), day(20))
    assert breaches(store) == [], "the next run mends it, although the change bore a later time"


def test_a_bulk_write_stores_what_feasts_own_write_stores(backend):
    repo, _ = backend
    repo.write_texts(sample_rows())
    store = repo.apply(repo.fit(day(8)))
    store.materialize(day(-1), day(20))
    online = store._get_provider().online_store
    for view in filter(is_ours, store.list_batch_feature_views()):
        if not view.online:
            continue
        table = feature_table(view, store.config)
        count, tables = newest_rows(Table.open(table.place), table.keys, day(-1), day(20))
        rows = pa.concat_tables(tables)
        protos = proto_rows(rows, view)
        asked = [[row[0] for row in protos], [field.name for field in view.features]]
        write_online(store.config, online, view, [rows], count)
        ours = online.online_read(store.config, view, *map(list, asked))
        online.update(store.config, [view], [], [], [], partial=False)
        online.update(store.config, [], [view], [], [], partial=False)
        assert online.online_read(store.config, view, *map(list, asked)) != ours
        online.online_write_batch(store.config, view, protos, None)
        theirs = online.online_read(store.config, view, *map(list, asked))
        assert ours == theirs, view.name


@pytest.mark.parametrize("backend", [*BACKENDS, *MORE], indirect=True)
def test_erasing_a_key_takes_it_out_and_leaves_the_others(backend):
    repo, _ = backend
    repo.write_texts(sample_rows())
    store = repo.apply(repo.fit(day(8)))
    store.materialize(day(-1), day(20))
    before = repo.lookup(store, [1])
    forget(store, {"review_id": 3})
    gone = repo.lookup(store, [3])
    assert gone.pop("embfeast_status") == ["missing"]
    assert {name: value for name, value in gone.items() if value != [None]} == {"review_id": [3]}
    assert repo.lookup(store, [1]) == before
    assert breaches(store) == []


@pytest.mark.parametrize("backend", MORE, indirect=True)
def test_a_pushed_text_is_served_with_the_bits_that_it_has_offline(backend):
    repo, _ = backend
    repo.write_texts(sample_rows())
    store = repo.apply(repo.fit(day(8)), repo.push_source())
    store.materialize(day(-1), day(20))
    before = repo.lookup(store, [1])
    row = {"review_id": 1, "title": "parcel", "body": "It came in the end"}
    row |= {"written_at": day(21), "known_at": day(21)}
    store.push("review_push", pd.DataFrame([row]))
    pushed_to = repo.lookup(store, [1])
    assert pushed_to["embedding"] != before["embedding"]
    assert pushed_to["embfeast_status"] == ["current"]
    repo.write_texts([tuple(row.values())])
    assert breaches(store) == []


@pytest.mark.parametrize("backend", ["redis", "postgres"], indirect=True)
@pytest.mark.parametrize("kind", [ValueType.STRING, ValueType.INT64], ids=["names", "numbers"])
def test_states_of_entities_and_texts_against_them_are_the_same(backend, kind):
    given, _ = backend
    repo = StatedServerRepo(given.path, given.project, given.online_store, given.registry)
    repo.writer = Entity(name="writer", join_keys=["writer"], value_type=kind)
    repo.write_texts(written_rows())
    called = {"a": "a", "b": "b", "c": "c"}
    if kind is ValueType.INT64:
        called = {"a": 7, "b": -8, "c": 2**53 + 1}
        repo.change(f"UPDATE reviews SET writer = MAP {called}[writer]")
        repo.change("ALTER TABLE reviews ALTER writer TYPE BIGINT")
    fitted = repo.fit(day(8), SETTINGS)
    store = repo.apply(fitted)
    store.materialize(day(-1), day(20))
    asked = [(called[writer], text, at) for writer, text, at in NEW[:3]]
    live = repo.live(store, asked)
    rows = [(100 + i, text, at, at, writer) for i, (writer, text, at) in enumerate(asked)]
    store.push("review_push", pushed(*rows))
    stored = repo.lookup(store, [row[0] for row in rows])
    for name in LASTING:
        assert live[name] == stored[name], name
    repo.write_texts(rows)
    assert repo.state(store, called["a"])["count"] == 4
    if kind is ValueType.STRING:
        assert_states(repo, store, fitted)
    else:
        assert breaches(store) == []
