"""Feature rows into whatever online store the repository has."""

from importlib import import_module
from typing import Any

import pyarrow as pa
from feast import FeatureView
from feast.repo_config import RepoConfig

from embfeast.errors import EmbfeastError
from embfeast.plugin.proto_rows import proto_rows
from embfeast.plugin.servers import PATIENT, call_online, online_server

# Feast's stores that a module of ours writes to, in bulk; others take Feast's own write. A module
# is imported when its store is there: so are the store's client and Feast's part for it.
BULK_WRITERS = {
    "feast.infra.online_stores.sqlite.SqliteOnlineStore": "sqlite_write",
    "feast.infra.online_stores.redis.RedisOnlineStore": "redis_write",
    "feast.infra.online_stores.postgres_online_store.postgres.PostgreSQLOnlineStore": (
        "postgres_write"
    ),
}
AGAIN = "the offline rows are complete, so run the same command again once it takes writes"


def write_online(config: RepoConfig, store: Any, view: FeatureView, table: pa.Table) -> None:
    """Write rows in the place of what their keys had.

    Parameters
    ----------
    config : RepoConfig
    store : OnlineStore
    view : FeatureView
    table : pyarrow.Table
        Keys, event and created time, and the view's features; a key once.

    Raises
    ------
    EmbfeastError
        The store refused the write.
    """
    try:
        call_online(config, store, lambda: _write(config, store, view, table), tries=PATIENT)
    except EmbfeastError as error:
        raise EmbfeastError(f"view {view.name!r}: {error}; {AGAIN}") from error
    except Exception as error:  # each store raises its own kinds
        raise EmbfeastError(
            f"view {view.name!r}: {online_server(config)} refused a write: {error}; {AGAIN}"
        ) from error


def _write(config: RepoConfig, store: Any, view: FeatureView, table: pa.Table) -> None:
    if name := BULK_WRITERS.get(f"{type(store).__module__}.{type(store).__name__}"):
        writer = import_module(f"embfeast.plugin.{name}")
        if writer.can_write(config):
            return writer.write(config, store, view, table)  # type: ignore[no-any-return]
    return store.online_write_batch(config, view, proto_rows(table, view), None)  # type: ignore[no-any-return]
