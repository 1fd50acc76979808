"""Servers that are down, go down, come back, are full, or refuse: one clear error, then mended."""

import shutil
import threading
import time
import uuid
from functools import partialmethod

import psycopg
import pytest
from feast import FeatureStore
from psycopg_pool import ConnectionPool

from embfeast import EmbfeastError
from embfeast.commands.console import open_repository
from embfeast.plugin.online import dynamodb, postgres, redis, writer
from embfeast.recipe.versions import load_current
from embfeast.repository.check.verify import verify
from tests.plugin.test_online_stores import ServerRepo
from tests.services import OwnPostgres, OwnRedis, free_port
from tests.small_repository import Repo, day, sample_rows
from tests.stores import dynamodb_store

pytestmark = pytest.mark.slow
PROJECT = f"embfeast_{uuid.uuid4().hex[:8]}"


@pytest.fixture
def own_redis(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    server = OwnRedis(folder).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def postgres_cluster():
    server = OwnPostgres()
    yield server
    server.remove()


@pytest.fixture
def own_postgres(postgres_cluster):
    postgres_cluster.start()
    with postgres_cluster.connect() as admin:
        admin.execute("DROP DATABASE IF EXISTS features WITH (FORCE)")
        admin.execute("CREATE DATABASE features")
    yield postgres_cluster
    postgres_cluster.stop()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A repository with texts, their embeddings and a fitted recipe, for tests to copy."""
    repo = Repo(tmp_path_factory.mktemp("fitted") / "repo")
    repo.write_texts(sample_rows())
    repo.fit(day(8))
    return repo


def on_redis(path, server, **more):
    online = {"type": "redis", "connection_string": server.connection_string, **more}
    return ServerRepo(path, PROJECT, online)


def on_postgres(path, server, **more):
    online = {
        "type": "postgres",
        "host": "127.0.0.1",
        "port": server.port,
        "database": "features",
        "user": server.user,
        "password": server.password,
        "sslmode": "disable",
    }
    return ServerRepo(path, PROJECT, online | more)


@pytest.fixture
def path(fitted, tmp_path):
    return shutil.copytree(fitted.path, tmp_path / "repo")


def on_dynamodb(path, server, **more):
    return ServerRepo(path, f"{PROJECT}_{server.port}", dynamodb_store(server.url, **more))


ON = {"redis": on_redis, "postgres": on_postgres, "dynamodb": on_dynamodb}


@pytest.fixture(params=["redis", "postgres", "postgres_pool", "dynamodb"])
def served(request, path):
    """A repository on a server of its own, applied and materialized."""
    kind = request.param.split("_")[0]
    server = request.getfixturevalue(f"own_{kind}")
    more = {"conn_type": "pool"} if request.param == "postgres_pool" else {}
    repo = ON[kind](path, server, **more)
    store = repo.apply(load_current(repo.recipes))
    store.materialize(day(-1), day(20))
    return repo, store, server


def clean(store) -> bool:
    return all(finding.ok for finding in verify(store, sample=None))


def told(caught, server) -> str:
    said = str(caught.value)
    assert f"127.0.0.1:{server.port}" in said
    assert "feature_store.yaml" in said
    assert server.password not in said
    return said


def test_a_server_that_is_down_is_named_and_a_run_after_its_return_is_whole(served, monkeypatch):
    repo, store, server = served
    before = repo.lookup(store, range(12))
    repo.write_texts([(30, "new", "A new text", day(10), day(21))])
    server.stop()
    if store.config.online_store.type == "postgres":  # a pool waits for half a minute
        monkeypatch.setattr(
            ConnectionPool, "getconn", partialmethod(ConnectionPool.getconn, timeout=1)
        )
    with pytest.raises(EmbfeastError) as caught:
        repo.lookup(store, [1])
    assert "cannot be reached" in told(caught, server)
    monkeypatch.setattr(writer, "PATIENT", 1)
    with pytest.raises(EmbfeastError) as caught:
        store.materialize_incremental(day(22))
    assert "run the same command again" in told(caught, server)
    server.start()
    assert repo.lookup(store, range(12)) == before, "the same process reads on"
    store.materialize_incremental(day(22))
    assert repo.lookup(store, [30])["embedding"] != [None]
    assert clean(store)


def test_a_run_waits_for_a_server_that_restarts(served, monkeypatch):
    repo, store, server = served
    repo.write_texts([(30, "new", "A new text", day(10), day(21))])
    stopped = threading.Event()
    modules = {"redis": redis, "postgres": postgres, "dynamodb": dynamodb}
    module = modules[store.config.online_store.type]
    original = module._write

    def stopping_once(*given):
        if not stopped.is_set():
            stopped.set()
            server.stop()
            threading.Timer(1.5, server.start).start()
        return original(*given)

    monkeypatch.setattr(module, "_write", stopping_once)
    store.materialize_incremental(day(22))
    assert stopped.is_set()
    assert repo.lookup(store, [30])["embedding"] != [None]
    assert clean(store)


def test_a_restart_between_two_lookups_is_not_noticed(served):
    repo, store, server = served
    before = repo.lookup(store, range(12))
    server.stop()
    server.start()
    assert repo.lookup(store, range(12)) == before


@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_a_wrong_password_is_said_without_it(kind, request, path):
    server = request.getfixturevalue(f"own_{kind}")
    wrong = "battery-staple"  # pragma: allowlist secret
    if kind == "redis":
        place = f"127.0.0.1:{server.port},password={wrong}"
        repo = on_redis(path, server, connection_string=place)
    else:
        repo = on_postgres(path, server, password=wrong)
    fitted = load_current(repo.recipes)
    began = time.monotonic()
    with pytest.raises(EmbfeastError) as caught:  # PostgreSQL is asked by apply already
        repo.apply(fitted).materialize(day(-1), day(20))
    assert "refused the user or the password" in told(caught, server)
    assert wrong not in str(caught.value)
    assert time.monotonic() - began < 60, "it is not tried again and again"


def test_a_full_redis_is_said_and_a_run_after_more_memory_is_whole(own_redis, path):
    repo = on_redis(path, own_redis)
    store = repo.apply(load_current(repo.recipes))
    client = own_redis.client()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 10_000)
    with pytest.raises(EmbfeastError) as caught:
        store.materialize(day(-1), day(20))
    assert "`maxmemory`" in told(caught, own_redis)
    assert "review_" in str(caught.value), "the view is named"
    client.config_set("maxmemory", "0")
    store.materialize(day(-1), day(20))
    assert clean(store)


def test_what_postgres_does_not_permit_is_said_and_mended(own_postgres, path):
    repo = on_postgres(path, own_postgres)
    fitted = load_current(repo.recipes)
    repo.apply(fitted)
    with own_postgres.connect(dbname="features") as admin:
        admin.execute("DROP ROLE IF EXISTS reader")
        admin.execute(f"CREATE ROLE reader LOGIN PASSWORD '{own_postgres.password}'")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    reader = ServerRepo(repo.path, PROJECT, repo.online_store | {"user": "reader"})
    with pytest.raises(EmbfeastError) as caught:
        reader.store().materialize(day(-1), day(20))
    assert "does not permit" in told(caught, own_postgres)

    with own_postgres.connect() as admin:
        admin.execute("ALTER DATABASE features SET default_transaction_read_only = on")
    with pytest.raises(EmbfeastError) as caught:
        repo.store().materialize(day(-1), day(20))
    assert "read-only" in told(caught, own_postgres)

    with own_postgres.connect() as admin:
        admin.execute("ALTER DATABASE features RESET default_transaction_read_only")
    store = repo.store()
    store.materialize(day(-1), day(20))
    assert clean(store)
    assert reader.lookup(reader.store(), [1])["embedding"] != [None], "a reader may look up"
    with own_postgres.connect() as admin:
        admin.execute("DROP DATABASE features WITH (FORCE)")
        admin.execute("DROP ROLE reader")


def test_a_registry_that_is_down_is_named_by_the_commands(tmp_path, monkeypatch):
    port, secret = free_port(), "correct-horse"  # pragma: allowlist secret
    (tmp_path / "other.yaml").write_text(
        "project: p\nprovider: embfeast.plugin.TextFeatureProvider\n"
        "registry: {registry_type: sql, path: "
        f"'postgresql+psycopg://u:{secret}@127.0.0.1:{port}/features'}}\n"
        "online_store: {type: sqlite, path: data/online.db}\n"
        "batch_engine: {type: embfeast.plugin.EmbeddingComputeEngine}\n"
        "entity_key_serialization_version: 3\n"
    )
    monkeypatch.setenv("FEAST_FS_YAML_FILE_PATH", str(tmp_path / "other.yaml"))
    with pytest.raises(EmbfeastError, match=f"registry .*127.0.0.1:{port}/features") as caught:
        open_repository(tmp_path)
    assert secret not in str(caught.value)
    assert isinstance(FeatureStore(str(tmp_path)), FeatureStore), "Feast reads the same variable"


def test_the_error_of_a_damaged_setting_shows_no_password(tmp_path):
    secret = "correct-horse"  # pragma: allowlist secret
    (tmp_path / "feature_store.yaml").write_text(
        "project: p\nprovider: embfeast.plugin.TextFeatureProvider\nregistry: r.db\n"
        f"online_store: {{type: postgres, host: h, database: d, password: '{secret}'}}\n"
        "entity_key_serialization_version: 3\n"
    )
    with pytest.raises(EmbfeastError, match="user") as caught:
        open_repository(tmp_path)
    assert secret not in str(caught.value)


def test_an_empty_yaml_is_said(tmp_path):
    (tmp_path / "feature_store.yaml").touch()
    with pytest.raises(EmbfeastError, match="holds no settings"):
        open_repository(tmp_path)


def test_own_servers_ask_for_the_password(own_postgres):
    with pytest.raises(psycopg.OperationalError):
        own_postgres.connect(password="wrong")  # pragma: allowlist secret
