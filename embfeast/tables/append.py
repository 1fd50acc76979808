"""Rows into a feature table so that each is there once, whoever else writes at the same time."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from embfeast.errors import EmbfeastError
from embfeast.storage import remove_file
from embfeast.tables.columns import EVENT_TIME, TEXT_DIGEST
from embfeast.tables.files import DataFile, write_file
from embfeast.tables.present_rows import PresentRows
from embfeast.tables.replace import replace_rows
from embfeast.tables.table import ConflictError, Table
from embfeast.texts.database import quote

# Seconds in which others may come first, again and again.
PATIENCE = 60.0


# How often rows that follow from others' are brought up to date before those others are said to
# write without a pause.
MOST_ROUNDS = 20


class BusyError(EmbfeastError):
    """A table that others write without a pause: the same call will work later."""


def until_committed(table: Table) -> Retrying:
    """Try again for as long as other writers come first.

    Raises
    ------
    BusyError
        They do so for longer than `PATIENCE`.
    """
    place = table.place  # alone: what tries again outlives the table

    def give_up(state: object) -> None:
        raise BusyError(
            f"feature table {place} was written by others for {PATIENCE:g} seconds without a "
            "pause; nothing was stored",
            "try again",
        )

    return Retrying(
        retry=retry_if_exception_type(ConflictError),
        wait=wait_random_exponential(multiplier=0.01, max=1),
        stop=stop_after_delay(PATIENCE),
        retry_error_callback=give_up,
    )


class Appender:
    """Adds files of rows to a table.

    Parameters
    ----------
    table : Table
        At the version at which it was found which rows are lacking.
    identity : sequence of str
        The columns that together name a row.
    event : str
        The column of event times.
    """

    def __init__(self, table: Table, identity: Sequence[str], event: str = EVENT_TIME) -> None:
        self.table = table
        self._identity = list(identity)
        self._event = event
        self._known = set(table.files)  # and our own: what rows were found lacking against
        digest = [TEXT_DIGEST] if TEXT_DIGEST in table.schema.names else []
        self._compared = [*self._identity, *digest]
        self._outdated: list[pa.Table] = []
        self._same = " AND ".join(
            f"stored.{quote(n)} IS NOT DISTINCT FROM new.{quote(n)}" for n in identity
        )

    def replace(self, rows: pa.Table) -> None:
        """Let rows of these keys and times, which the table has of another text, go.

        Each goes with the commit that adds the row of the new text.
        """
        if rows.num_rows:
            self._outdated.append(rows.select(self._identity))

    def append(self, rows: pa.Table) -> int:
        """Write rows and add them; return how many were still lacking."""
        return self.add(write_file(self.table.place, rows)) if rows.num_rows else 0

    def add(self, file: DataFile) -> int:
        """Add a written file but for rows that others have added meanwhile; return its rows.

        Rows that it has of a newer text are taken out in the same commit.
        """
        looked_at = set(self._known)
        for attempt in until_committed(self.table):
            with attempt:
                file = self._without_present(file, looked_at)
                if file.rows and file.path not in self.table.files:
                    self._commit(file)
        self._known.add(file.path)
        return file.rows

    def _commit(self, file: DataFile) -> None:
        outdated = self._outdated_by(file) if self._outdated else None
        if outdated is None or not outdated.num_rows:
            self.table.commit([file.add()])
            return
        which = f"SEMI JOIN new ON {self._same}"
        _, kept = replace_rows(self.table, which, add=[file], new=outdated)
        self._known.update(kept)

    def _outdated_by(self, file: DataFile) -> pa.Table:
        """Return the identities of a file's rows that take the place of others."""
        rows = file.read(self._identity)
        return self.table.query(
            f"SELECT * FROM stored SEMI JOIN new ON {self._same}",
            stored=rows,
            new=pa.concat_tables(self._outdated),
        ).cast(rows.schema)

    def _without_present(self, file: DataFile, looked_at: set[str]) -> DataFile:
        """Return the file, or another one without the rows that are there by now.

        Those that are there with another text are to be replaced.
        """
        new = [path for path in self.table.files if path not in looked_at]
        if not new or file.path in new:  # a commit whose answer was lost counts
            return file
        wanted = file.read(self._compared)
        times = pc.min_max(wanted[self._event]).as_py()
        near = set(self.table.overlapping(times["min"], times["max"], self._event))
        files = [path for path in new if path in near]
        present = PresentRows(self.table, self._identity, files=files, event=self._event)
        absent, changed = present.compare(wanted)
        present.close()
        looked_at.update(new)
        self.replace(wanted.filter(pa.array(changed)))
        lacking = absent | changed
        if lacking.all():
            return file
        kept = write_file(self.table.place, file.read().filter(pa.array(lacking)))
        remove_file(file.path)
        return kept
