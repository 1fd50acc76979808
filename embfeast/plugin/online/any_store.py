"""Feature rows into an online store that has no bulk writer, by Feast's own write."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from feast import FeatureView
from feast.repo_config import RepoConfig

from embfeast.errors import EmbfeastError
from embfeast.plugin.online.proto_rows import proto_rows
from embfeast.plugin.online.writer import table_by_table


def can_write(config: RepoConfig) -> bool:
    """Tell that Feast's own write knows every mode of its stores."""
    return True


def erase(config: RepoConfig, store: Any, view: FeatureView, keys: pa.Table) -> None:
    """Say that Feast cannot do that: of a key, a store that is not known here removes nothing."""
    raise EmbfeastError(
        f"view {view.name!r}: {type(store).__name__} removes no single keys",
        "remove them by the store's own means; nothing was removed offline",
    )


def empty(config: RepoConfig, store: Any, view: FeatureView) -> None:
    """Let the store drop a view and make it anew, by Feast's own means."""
    for gone, kept in (([view], []), ([], [view])):
        store.update(config, gone, kept, [], [], partial=True)


def write(
    config: RepoConfig, store: Any, view: FeatureView, tables: Iterable[pa.Table], rows: int
) -> None:
    """Write feature rows as a push would."""

    def write_one(table: pa.Table) -> None:
        store.online_write_batch(config, view, proto_rows(table, view), None)

    table_by_table(config, store, view, tables, write_one)
