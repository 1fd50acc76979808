"""Feature rows into whatever online store the repository has."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any, cast

import pyarrow as pa
from feast import FeatureView
from feast.repo_config import RepoConfig

from embfeast.errors import EmbfeastError
from embfeast.plugin import feast_compat
from embfeast.plugin.online import any_store
from embfeast.plugin.online.servers import online_server, said, unset_variables
from embfeast.plugin.online.writer import AGAIN, BulkWriter

# Feast's online store: the module beside this one that writes to it. It is imported when its store
# is there: so are the store's client and Feast's part for it.
WRITERS = {
    "feast.infra.online_stores.sqlite.SqliteOnlineStore": "sqlite",
    "feast.infra.online_stores.redis.RedisOnlineStore": "redis",
    "feast.infra.online_stores.dynamodb.DynamoDBOnlineStore": "dynamodb",
    "feast.infra.online_stores.postgres_online_store.postgres.PostgreSQLOnlineStore": "postgres",
}


def write_online(
    config: RepoConfig, store: Any, view: FeatureView, tables: Iterable[pa.Table], rows: int
) -> None:
    """Write rows in the place of what their keys had; `BulkWriter.write` says what they are.

    Raises
    ------
    EmbfeastError
        The rows could not be read, or the store refused the write.
    """
    try:
        if getattr(view, "current_version_number", None):
            # Feast makes no room for a version that was applied without promoting it.
            store.update(config, [], [view], [], [], partial=True)
        bulk_writer(config, store).write(config, store, view, tables, rows)
    except EmbfeastError:
        raise
    except Exception as error:  # each store raises its own kinds
        server = online_server(config)
        raise EmbfeastError(
            f"view {view.name!r}: {server} refused a write: {said(error, config)}"
            f"{unset_variables(server)}",
            AGAIN,
        ) from error


def erase_online(config: RepoConfig, store: Any, view: FeatureView, keys: pa.Table) -> None:
    """Remove what keys have of a view from the online store.

    Raises
    ------
    EmbfeastError
        The store refused it, or is one that removes no single keys.
    """
    if not keys.num_rows:
        return
    try:
        (_own_writer(store) or any_store).erase(config, store, view, keys)
    except EmbfeastError:
        raise
    except Exception as error:  # each store raises its own kinds
        raise EmbfeastError(
            f"view {view.name!r}: {online_server(config)} refused to remove keys: "
            f"{said(error, config)}",
            "run the same command again once it takes writes",
        ) from error


def empty_online(config: RepoConfig, store: Any, view: FeatureView) -> int | None:
    """Remove all rows of a version of a view, and return their number where the store tells it.

    Raises
    ------
    EmbfeastError
        The store refused it.
    """
    try:
        return (_own_writer(store) or any_store).empty(config, store, view)
    except Exception as error:  # each store raises its own kinds
        raise EmbfeastError(
            f"view {view.name!r}: {online_server(config)} refused to free its rows: "
            f"{said(error, config)}",
            "run the same command again once it takes writes",
        ) from error


def bulk_writer(config: RepoConfig, store: Any) -> BulkWriter:
    """Return what writes to a store: its own module, or Feast's write where it has none."""
    writer = _own_writer(store)
    return writer if writer and writer.can_write(config) else any_store


def _own_writer(store: Any) -> BulkWriter | None:
    name = WRITERS.get(feast_compat.class_path(store))
    return cast(BulkWriter, import_module(f"embfeast.plugin.online.{name}")) if name else None
