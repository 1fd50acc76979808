"""Which rows of a period a feature table has: read once a run, asked chunk by chunk."""

from collections.abc import Sequence
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embfeast.tables.columns import CREATED_TIME, EVENT_TIME, TEXT_DIGEST
from embfeast.tables.files import written_at
from embfeast.tables.table import Table
from embfeast.texts.database import quote


class PresentRows:
    """Keys, times and text digests of a feature table's rows in a period.

    It also keeps in mind which of them were asked for: of the others the text is nowhere.

    Parameters
    ----------
    table : Table
    identity : sequence of str
        The columns that together name a row: keys and times.
    start, end : datetime, optional
        Event times from `start` to `end`, and rows known from `start` on; all by default.
    files : sequence of str, optional
        Only these of its files.
    event : str
        The column of event times.
    """

    def __init__(
        self,
        table: Table,
        identity: Sequence[str],
        start: datetime | None = None,
        end: datetime | None = None,
        files: Sequence[str] | None = None,
        event: str = EVENT_TIME,
    ) -> None:
        self._table = table
        self._columns = list(identity)
        self._same = " AND ".join(
            f"stored.{quote(name)} IS NOT DISTINCT FROM wanted.{quote(name)}" for name in identity
        )
        self._event = event
        self._connection = table.connect()
        if files is None:
            known = CREATED_TIME if CREATED_TIME in identity else event
            since = {f for time in (event, known) for f in table.overlapping(start, None, time)}
            files = [file for file in table.overlapping(None, end, event) if file in since]
        conditions, values = ["true"], {}
        if start is not None:
            late = f" OR {CREATED_TIME} >= $start" if CREATED_TIME in identity else ""
            conditions.append(f"({quote(event)} >= $start{late})")
            values["start"] = start
        if end is not None:
            conditions.append(f"{quote(event)} <= $end")
            values["end"] = end
        known = TEXT_DIGEST if TEXT_DIGEST in table.schema.names else "NULL::BLOB"
        selected = f"{', '.join(map(quote, self._columns))}, {known} AS {TEXT_DIGEST}"
        self._connection.register("no_rows", table.schema.empty_table())
        try:
            self._connection.execute(
                f"CREATE TEMP TABLE stored AS SELECT {selected} "
                f"FROM {table.scan(files) if files else 'no_rows'} "
                f"WHERE {' AND '.join(conditions)}",
                values,
            )
        except duckdb.Error as error:
            raise table.why_not(error) from error
        counted = self._connection.execute("SELECT count(*) FROM stored").fetchall()
        self._seen = np.zeros(counted[0][0], dtype=bool)

    def lacking(self, wanted: pa.Table) -> NDArray[np.bool_]:
        """Tell which rows the table has not got, or has of another text; as `compare`."""
        return np.logical_or(*self.compare(wanted))

    def compare(self, wanted: pa.Table) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Tell which rows the table has not got, and which ones it has of another text.

        They have its names and types. Where a row or they do not know the text, it is the same.
        """
        absent, stored = self.find(wanted)
        return absent, of_another_text(stored, wanted)

    def find(self, wanted: pa.Table) -> tuple[NDArray[np.bool_], pa.Array]:
        """Tell which rows the table has not got, and the text digests of those that it has.

        A digest is null where the row is absent, or where its text is not known.
        """
        absent = np.ones(wanted.num_rows, dtype=bool)
        if not len(self._seen) or not wanted.num_rows:
            return absent, pa.nulls(wanted.num_rows, pa.binary())
        bounds = pc.min_max(wanted[self._event]).as_py()
        numbered = wanted.append_column("embfeast_wanted", pa.array(np.arange(wanted.num_rows)))
        self._connection.register("wanted", numbered)
        found = self._connection.sql(
            f"SELECT embfeast_wanted, embfeast_stored, stored.{TEXT_DIGEST} AS digest "
            "FROM wanted JOIN (SELECT *, rowid AS embfeast_stored FROM stored "
            f"WHERE {quote(self._event)} BETWEEN $first AND $last) stored ON {self._same}",
            params={"first": bounds["min"], "last": bounds["max"]},
        ).to_arrow_table()
        self._connection.unregister("wanted")
        rows, places = (found[n].to_numpy() for n in ("embfeast_wanted", "embfeast_stored"))
        self._seen[places] = True
        absent[rows] = False
        at = np.full(wanted.num_rows, -1)
        at[rows] = np.arange(len(rows))
        digests = found["digest"].combine_chunks()
        return absent, digests.take(pa.array(at, mask=at < 0))

    def unseen(self) -> pa.Table:
        """Return keys and times of the rows that were not asked for yet."""
        selected = ", ".join(map(quote, self._columns))
        stored = self._connection.sql(f"SELECT {selected} FROM stored ORDER BY rowid")
        rows: pa.Table = stored.to_arrow_table()
        return rows.filter(pa.array(~self._seen))

    def gone(self, runs: Sequence[tuple[datetime, datetime, int]]) -> pa.Table:
        """Return those of them that a run should have found in the source: their text was removed.

        A run is its period, and when it ended: a row written later may be pushed ahead of its text.
        """
        unseen = self.unseen()
        if not unseen.num_rows or not runs:
            return unseen.slice(0, 0)
        found = self._table.query(
            f"SELECT {', '.join(f'stored.{quote(name)}' for name in self._columns)}, filename "
            f"FROM {self._table.scan(row_ids=True)} stored SEMI JOIN wanted ON {self._same}",
            wanted=unseen,
        )
        times = {file: written_at(file) for file in pc.unique(found["filename"]).to_pylist()}
        written = np.array([times[file] for file in found["filename"].to_pylist()], np.int64)
        gone = np.zeros(found.num_rows, dtype=bool)
        known = found[CREATED_TIME if CREATED_TIME in self._columns else self._event]
        for start, end, ended in runs:
            within = pc.and_(
                pc.and_(
                    pc.greater_equal(found[self._event], start),
                    pc.less_equal(found[self._event], end),
                ),
                pc.less_equal(known, end),
            )
            gone |= np.asarray(within) & (written <= ended)
        return found.select(self._columns).filter(pa.array(gone)).cast(unseen.schema)

    def close(self) -> None:
        """Give the memory back."""
        self._connection.close()


def of_another_text(stored: pa.Array, wanted: pa.Table) -> NDArray[np.bool_]:
    """Tell which rows are stored of another text; where one digest is not known it is the same."""
    if TEXT_DIGEST not in wanted.column_names:
        return np.zeros(wanted.num_rows, dtype=bool)
    other = pc.not_equal(stored, wanted[TEXT_DIGEST]).fill_null(False)
    return np.asarray(other, dtype=bool)
