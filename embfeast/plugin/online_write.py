"""Feature rows into whatever online store the repository has."""

from typing import Any

import pyarrow as pa
from feast import FeatureView
from feast.repo_config import RepoConfig

from embfeast.errors import EmbfeastError
from embfeast.plugin import sqlite_write
from embfeast.plugin.proto_rows import proto_rows


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
        if sqlite_write.can_write(config, store):
            sqlite_write.write(config, store, view, table)
        else:
            store.online_write_batch(config, view, proto_rows(table, view), None)
    except Exception as error:  # each store raises its own kinds
        raise EmbfeastError(
            f"view {view.name!r}: the online store ({type(store).__name__}) refused a write: "
            f"{error}; the offline rows are complete, so run the same command again once it takes "
            "writes"
        ) from error
