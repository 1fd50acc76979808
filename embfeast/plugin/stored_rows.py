"""Which rows of a period a feature table has: read once a run, asked chunk by chunk."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embfeast.plugin import database, parts
from embfeast.plugin.database import quote
from embfeast.plugin.feature_table import CREATED_TIME, EVENT_TIME


class StoredRows:
    """Keys and times of a feature table's rows in a period.

    Parameters
    ----------
    folder : Path
        Of the table's parts.
    keys : sequence of str
    start, end : datetime, optional
        Event times from `start` to `end`, and rows known from `start` on; all by default.
    """

    def __init__(
        self,
        folder: Path,
        keys: Sequence[str],
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> None:
        self._columns = [*keys, EVENT_TIME, CREATED_TIME]
        conditions, values = ["true"], {}
        if start is not None:
            conditions.append(f"({EVENT_TIME} >= $start OR {CREATED_TIME} >= $start)")
            values["start"] = start
        if end is not None:
            conditions.append(f"{EVENT_TIME} <= $end")
            values["end"] = end
        self._connection = database.connect_memory()
        selected = ", ".join(map(quote, self._columns))
        parts.run(
            self._connection,
            folder,
            f"CREATE TEMP TABLE stored AS SELECT {selected} FROM {parts.scan_sql(folder)} "  # noqa: S608
            f"WHERE {' AND '.join(conditions)}",
            values,
        )
        self._is_empty = not self._connection.execute("SELECT 1 FROM stored LIMIT 1").fetchall()

    def lacking(self, wanted: pa.Table) -> NDArray[np.bool_]:
        """Tell which rows the table has not got.

        Parameters
        ----------
        wanted : pyarrow.Table
            Keys, event and created time under the table's names and types.

        Returns
        -------
        ndarray of shape (rows,), bool
        """
        lacking = np.ones(wanted.num_rows, dtype=bool)
        if self._is_empty or not wanted.num_rows:
            return lacking
        same = " AND ".join(
            f"stored.{quote(name)} IS NOT DISTINCT FROM wanted.{quote(name)}"
            for name in self._columns
        )
        bounds = pc.min_max(wanted[EVENT_TIME]).as_py()
        numbered = wanted.append_column("wanted_row", pa.array(np.arange(wanted.num_rows)))
        self._connection.register("wanted", numbered)
        found = self._connection.sql(
            "SELECT wanted_row FROM wanted SEMI JOIN (SELECT * FROM stored "  # noqa: S608
            f"WHERE {EVENT_TIME} BETWEEN $first AND $last) stored ON {same}",
            params={"first": bounds["min"], "last": bounds["max"]},
        ).to_arrow_table()["wanted_row"]
        self._connection.unregister("wanted")
        lacking[np.asarray(found, dtype=np.int64)] = False
        return lacking

    def lacked_by(self, source: pa.Table) -> pa.Table:
        """Return keys and times of the rows that a source has not got.

        Parameters
        ----------
        source : pyarrow.Table
            Keys, event and created time of all its rows, under the table's names and types.
        """
        same = " AND ".join(
            f"stored.{quote(name)} IS NOT DISTINCT FROM source.{quote(name)}"
            for name in self._columns
        )
        self._connection.register("source", source)
        found = self._connection.sql(
            f"SELECT * FROM stored ANTI JOIN source ON {same}"  # noqa: S608
        ).to_arrow_table()
        self._connection.unregister("source")
        return found

    def close(self) -> None:
        """Give the memory back."""
        self._connection.close()
