"""Whether every text has its feature row, and every row its text."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embfeast.plugin.engine.chunks import identities, with_text_digests
from embfeast.plugin.feature_table import FeatureTable
from embfeast.repository.check.finding import Finding
from embfeast.repository.check.matching import row_name
from embfeast.tables import coverage
from embfeast.tables.columns import CREATED_TIME, EVENT_TIME
from embfeast.tables.present_rows import PresentRows
from embfeast.tables.table import Table


class Rows:
    """Finds texts without a feature row: lost where their period is covered, else late.

    And rows of another text than the source has now, and of texts that it has not got any more.
    """

    def __init__(self, stored: Table, table: FeatureTable, max_lag: timedelta) -> None:
        self._table = table
        self._max_lag = max_lag
        self._stored = stored
        self._present = PresentRows(stored, table.identity)
        self._covered = coverage.read(stored)
        self._texts = self._lost = self._late = self._changed = 0
        self._example = self._changed_example = ""

    def see(self, chunk: pa.Table, chosen: NDArray[np.int64], histories: object = None) -> None:
        """Count the texts of a chunk that have no row."""
        chunk = with_text_digests(chunk, self._table.source.text_columns)
        wanted = identities(chunk, self._table)
        self._texts += chunk.num_rows
        absent, changed = self._present.compare(wanted)
        if changed.any():
            self._changed += int(changed.sum())
            first = int(np.flatnonzero(changed)[0])
            self._changed_example = self._changed_example or row_name(wanted, first, self._table)
        now = datetime.now(UTC)
        for row in map(int, np.flatnonzero(absent)):
            event, created = (wanted[name][row].as_py() for name in (EVENT_TIME, CREATED_TIME))
            if coverage.covers(self._covered, event, created):
                self._lost += 1
                self._example = self._example or row_name(wanted, row, self._table)
            elif now - max(event, created) > self._max_lag:
                self._late += 1

    @cached_property
    def others(self) -> pa.Table:
        """Rows whose text the source has not got: pushed ahead of it, or removed from it."""
        return self._present.unseen()

    @cached_property
    def gone(self) -> pa.Table:
        """Those of them whose text a run should have found since: it was removed."""
        return self._present.gone(coverage.runs(self._stored))

    def findings(self) -> Iterator[Finding]:
        """Return what the pass has shown."""
        view = self._table.view
        run = "run `embfeast materialize`"
        if self._lost:
            found = (
                f"{self._lost:,} of {self._texts:,} texts have no row although their period was "
                f"materialized ({self._example})"
            )
            yield Finding("rows", "broken", found, run, view)
        else:
            kept = f"{self._texts:,} texts, none lost"
            if ahead := self.others.num_rows - self.gone.num_rows:
                kept += f"; {ahead:,} rows of texts that the source has not got yet"
            yield Finding("rows", "ok", kept, view=view)
        yield from self._texts_findings()
        if self._late:
            found = f"{self._late:,} texts are newer than the last materialization"
            yield Finding("freshness", "broken", found, run, view)
        else:
            yield Finding("freshness", "ok", "every text has its features", view=view)

    def _texts_findings(self) -> Iterator[Finding]:
        """Return whether the rows' texts are those of the source."""
        view = self._table.view
        if self._changed:
            found = (
                f"{self._changed:,} of {self._texts:,} rows: text changed since their features "
                f"were computed ({self._changed_example})"
            )
            yield Finding("texts", "broken", found, "run `embfeast materialize`", view)
        if gone := self.gone.num_rows:
            found = (
                f"{gone:,} rows of texts that are gone from the source, though their time was "
                f"materialized ({row_name(self.gone, 0, self._table)})"
            )
            mend = "run `embfeast materialize --drop-missing`, or put the texts back"
            yield Finding("texts", "warning", found, mend, view)
        elif not self._changed:
            yield Finding("texts", "ok", "every row is of the text in the source", view=view)
