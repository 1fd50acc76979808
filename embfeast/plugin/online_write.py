"""Feature rows into whatever online store the repository has."""

from collections.abc import Iterable
from functools import partial
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
SQLITE = "feast.infra.online_stores.sqlite.SqliteOnlineStore"
BULK_WRITERS = {
    SQLITE: "sqlite_write",
    "feast.infra.online_stores.redis.RedisOnlineStore": "redis_write",
    "feast.infra.online_stores.postgres_online_store.postgres.PostgreSQLOnlineStore": (
        "postgres_write"
    ),
}
AGAIN = "the offline rows are complete, so run the same command again once it takes writes"


def write_online(
    config: RepoConfig, store: Any, view: FeatureView, tables: Iterable[pa.Table], rows: int
) -> None:
    """Write rows in the place of what their keys had.

    Parameters
    ----------
    config : RepoConfig
    store : OnlineStore
    view : FeatureView
    tables : iterable of pyarrow.Table
        Keys, event and created time, and the view's features; a key once.
    rows : int
        Of all tables together.

    Raises
    ------
    EmbfeastError
        The store refused the write.
    """
    writer = _bulk_writer(config, store)
    if writer and _name(store) == SQLITE:  # it has to know all keys, to put them in order
        try:
            return writer.write(config, store, view, tables, rows)  # type: ignore[no-any-return]
        except EmbfeastError:  # the rows could not be read
            raise
        except Exception as error:
            raise _refused(config, view, error) from error
    for table in tables:
        write = partial(_write, config, store, view, table, writer)
        try:
            call_online(config, store, write, tries=PATIENT)
        except EmbfeastError as error:
            raise EmbfeastError(f"view {view.name!r}: {error}; {AGAIN}") from error
        except Exception as error:  # each store raises its own kinds
            raise _refused(config, view, error) from error
    return None


def _refused(config: RepoConfig, view: FeatureView, error: Exception) -> EmbfeastError:
    server = online_server(config)
    return EmbfeastError(f"view {view.name!r}: {server} refused a write: {error}; {AGAIN}")


def _name(store: Any) -> str:
    return f"{type(store).__module__}.{type(store).__name__}"


def _bulk_writer(config: RepoConfig, store: Any) -> Any:
    """Return the module that writes to a store in bulk, or None."""
    name = BULK_WRITERS.get(_name(store))
    writer = name and import_module(f"embfeast.plugin.{name}")
    return writer if writer and writer.can_write(config) else None


def _write(config: RepoConfig, store: Any, view: FeatureView, table: pa.Table, bulk: Any) -> None:
    if bulk:
        bulk.write(config, store, view, table)
    else:
        store.online_write_batch(config, view, proto_rows(table, view), None)
