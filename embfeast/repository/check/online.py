"""Whether the online store holds each key's newest stored row."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from feast import FeatureStore, FeatureView
from feast.protos.feast.types.Value_pb2 import Value
from numpy.typing import NDArray

from embfeast.plugin.engine.chunks import identities
from embfeast.plugin.feature_table import FeatureTable
from embfeast.plugin.online.proto_rows import proto_rows
from embfeast.repository.check.finding import Finding
from embfeast.repository.check.matching import newest_of, row_name
from embfeast.repository.check.rows import Rows
from embfeast.tables.table import Table


class Online:
    """Looks up the keys of the sample, and of rows whose text is not in the source.

    The features of those cannot be recomputed, but what is served must still be the newest of them.
    """

    def __init__(
        self, store: FeatureStore, view: FeatureView, stored: Table, table: FeatureTable,
        rows: Rows | None = None, sample: int | None = None,
    ) -> None:  # fmt: skip
        self._store, self._view = store, view
        self._stored, self._table = stored, table
        self._rows, self._sample = rows, sample
        self._looked_up = self._unequal = 0
        self._example = ""

    def see(self, chunk: pa.Table, chosen: NDArray[np.int64], histories: object) -> None:
        """Look up the keys of the chosen rows of a chunk."""
        if len(chosen):
            self.compare(identities(chunk.take(chosen), self._table))

    def compare(self, wanted: pa.Table) -> None:
        """Look up the keys of some rows."""
        newest = newest_of(self._stored, self._table, wanted)
        rows = proto_rows(newest, self._view)
        names = [field.name for field in self._view.features]
        found = self._store.provider.online_read(
            self._store.config, self._view, [row[0] for row in rows], list(names)
        )
        for number, ((_, values, _, _), (_, online)) in enumerate(zip(rows, found, strict=True)):
            self._looked_up += 1
            wrong = [n for n in names if _bytes((online or {}).get(n)) != _bytes(values[n])]
            if wrong:
                self._unequal += 1
                where = row_name(newest, number, self._table)
                self._example = self._example or f"{wrong[0]} of {where}"

    def findings(self) -> Iterator[Finding]:
        """Return what the pass has shown."""
        if self._rows and self._rows.others.num_rows:
            self.compare(self._rows.others.slice(0, self._sample))
        if self._unequal:
            found = (
                f"{self._unequal:,} of {self._looked_up:,} keys differ from the newest row offline "
                f"({self._example})"
            )
            yield Finding("online", "broken", found, "run `embfeast materialize`", self._view.name)
        elif self._looked_up:
            found = f"{self._looked_up:,} keys equal to the bit"
            yield Finding("online", "ok", found, view=self._view.name)


def _bytes(value: Value | None) -> bytes | None:
    return None if value is None else value.SerializeToString(deterministic=True)
