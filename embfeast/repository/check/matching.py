"""Rows of a feature table that belong to given keys, and how a message names a row."""

from collections.abc import Sequence

import pyarrow as pa

from embfeast.plugin.feature_table import FeatureTable
from embfeast.tables.columns import CREATED_TIME, EVENT_TIME, TEXT_DIGEST
from embfeast.tables.table import Table
from embfeast.texts.database import quote


def matching_rows(
    stored: Table, table: FeatureTable, wanted: pa.Table, on: Sequence[str]
) -> pa.Table:
    """Return the stored rows whose columns `on` are among those of the wanted rows.

    Where the wanted rows know their text, without the rows of another text.
    """
    return _matching(stored, table, wanted, on, "")


def newest_of(stored: Table, table: FeatureTable, wanted: pa.Table) -> pa.Table:
    """Return the newest stored row of each wanted key."""
    order = f"{EVENT_TIME} DESC, {CREATED_TIME} DESC, filename DESC, file_row_number DESC"
    by = ", ".join(map(quote, table.keys))
    newest = f"QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY {order}) = 1"
    return _matching(stored, table, wanted, table.keys, newest)


def _matching(
    stored: Table, table: FeatureTable, wanted: pa.Table, on: Sequence[str], then: str
) -> pa.Table:
    same = " AND ".join(f"t.{quote(name)} IS NOT DISTINCT FROM wanted.{quote(name)}" for name in on)
    columns = list(on)
    if TEXT_DIGEST in wanted.column_names:
        same += f" AND coalesce(t.{TEXT_DIGEST} = wanted.{TEXT_DIGEST}, true)"
        columns.append(TEXT_DIGEST)
    found = stored.query(
        f"SELECT t.* FROM {stored.scan(row_ids=True)} t SEMI JOIN wanted ON {same} {then}",
        wanted=wanted.select(columns),
    )
    return found.select(table.schema.names).cast(table.schema).combine_chunks()


def row_name(rows: pa.Table, row: int, table: FeatureTable) -> str:
    """Return a row's key and event time, for messages."""
    keys = ", ".join(f"{key}={rows[key][row].as_py()}" for key in table.keys)
    return f"{keys} at {rows[EVENT_TIME][row].as_py().isoformat()}"
