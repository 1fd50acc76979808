"""Rows taken out of a feature table, by key or by what they hold."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from embfeast.tables.append import until_committed
from embfeast.tables.replace import replace_rows
from embfeast.tables.table import Table
from embfeast.texts.database import quote


def delete_keys(table: Table, keys: pa.Table) -> int:
    """Take every revision of keys out; with times among the columns, those of these times.

    Parameters
    ----------
    table : Table
        Goes on to the version without them.
    keys : pyarrow.Table
        Key columns under the table's names and types.

    Returns
    -------
    int
        Rows that were taken out. They stay in older versions until `embfeast.tables.upkeep.compact`
        removes those: with 0 hours at once.
    """
    same = " AND ".join(
        f"stored.{quote(n)} IS NOT DISTINCT FROM gone.{quote(n)}" for n in keys.column_names
    )
    return _delete(table, f"SEMI JOIN gone ON {same}", {}, gone=keys)


def delete_where(table: Table, condition: str, values: Mapping[str, Any] | None = None) -> int:
    """Take the rows out for which a condition of DuckDB's SQL holds; as `delete_keys`."""
    return _delete(table, f"WHERE {condition}", values or {})


def _delete(table: Table, which: str, values: Mapping[str, Any], **tables: pa.Table) -> int:
    count = 0
    for attempt in until_committed(table):
        with attempt:
            count, _ = replace_rows(table, which, values, (), **tables)
    return count
