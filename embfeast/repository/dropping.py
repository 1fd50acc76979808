"""Rows whose text is gone from the source, removed offline and online."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
from feast import FeatureStore, FeatureView

from embfeast.plugin.feature_table import FeatureTable, has_states, is_served
from embfeast.plugin.online.write import erase_online, write_online
from embfeast.repository.check.matching import newest_of
from embfeast.repository.check.rows import Rows
from embfeast.repository.following import follow_texts
from embfeast.repository.repository import Repository
from embfeast.tables.rewrite import delete_keys
from embfeast.tables.table import Table


def drop_missing(store: FeatureStore | Repository) -> int:
    """Remove the rows of texts that are gone from the source, though their time was materialized.

    Returns the number removed of the view that lost most. Training sets have them no more; older
    versions of the tables keep them for as long as those can be read.
    """
    repository = Repository.of(store)
    views = [view for view in repository.applied_views() if not has_states(view)]
    dropped = max(_drop(repository, view) for view in views)
    follow_texts(repository)
    return dropped


def _drop(repository: Repository, view: FeatureView) -> int:
    table = repository.table(view)
    stored = Table.open(table.place)
    rows = Rows(stored, table, timedelta(0))
    with table.source.open(repository.folder, table.source_keys) as texts:
        for chunk in texts.read():
            rows.see(chunk, np.empty(0, dtype=np.int64))
    gone = rows.gone
    if not gone.num_rows:
        return 0
    # Online first: what is stopped in between is found gone, and removed, by the next run.
    if is_served(view):
        keys = _keys(gone, table)
        config, online = repository.store.config, repository.store.provider.online_store
        erase_online(config, online, view, keys)
    count = delete_keys(stored, gone)
    if is_served(view) and (newest := newest_of(stored, table, keys)).num_rows:
        write_online(config, online, view, [newest], newest.num_rows)
    return count


def _keys(rows: pa.Table, table: FeatureTable) -> pa.Table:
    """Return each key of rows once."""
    return rows.select(list(table.keys)).group_by(list(table.keys)).aggregate([])
