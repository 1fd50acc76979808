"""Whether stored values are those that the texts give now."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embfeast.plugin.engine.chunks import encode_rows, feature_rows, with_text_digests
from embfeast.plugin.engine.histories import Histories
from embfeast.plugin.feature_table import FeatureTable
from embfeast.recipe import FittedRecipe
from embfeast.repository.check.finding import Finding
from embfeast.repository.check.matching import matching_rows, row_name
from embfeast.tables.table import Table

# What a value recomputed by the same backend may be off by (design rule 5).
TOLERANCE = 1e-6


class Recomputed:
    """Compares stored rows of the sample with those computed anew from their texts."""

    def __init__(self, stored: Table, table: FeatureTable, fitted: FittedRecipe) -> None:
        self._stored = stored
        self._table = table
        self._fitted = fitted
        self._compared = self._apart = 0
        self._largest = 0.0
        self._example = ""

    def see(self, chunk: pa.Table, chosen: NDArray[np.int64], histories: Histories) -> None:
        """Compute the chosen rows of a chunk, and compare."""
        if not len(chosen):
            return
        table = self._table
        texts = with_text_digests(chunk.take(chosen), table.source.text_columns)
        past = histories.past(texts, {table.entity: texts}) if table.entity else None
        features = self._fitted.apply(encode_rows(texts, past, [table], self._fitted))
        self.compare(feature_rows(texts, features, table, self._fitted))

    def compare(self, fresh: pa.Table) -> None:
        """Compare rows that were computed anew with those that are stored."""
        table = self._table
        found = matching_rows(self._stored, table, fresh, table.identity)
        places = {self._identity(found, row): row for row in range(found.num_rows)}
        for row in range(fresh.num_rows):
            place = places.get(self._identity(fresh, row))
            if place is None:
                continue  # counted as lost, late or changed already
            self._compared += 1
            gap = max(_gap(fresh[name][row], found[name][place]) for name in table.schema.names)
            self._largest = max(self._largest, gap)
            if gap > TOLERANCE:
                self._apart += 1
                self._example = self._example or row_name(fresh, row, table)

    def _identity(self, rows: pa.Table, row: int) -> tuple[Any, ...]:
        return tuple(rows[name][row].as_py() for name in self._table.identity)

    def findings(self) -> Iterator[Finding]:
        """Return what the pass has shown."""
        view = self._table.view
        if self._apart:
            found = (
                f"{self._apart:,} of {self._compared:,} rows differ from what the text gives now, "
                f"by up to {self._largest:.2g} ({self._example})"
            )
            yield Finding("recomputed", "broken", found, "run `embfeast materialize --again`", view)
        else:
            exact = "to the bit" if self._largest == 0 else f"within {self._largest:.1g}"
            yield Finding("recomputed", "ok", f"{self._compared:,} rows equal {exact}", view=view)


def _gap(fresh: pa.Scalar, stored: pa.Scalar) -> float:
    """Return how far two values are apart; infinite where they are no numbers and differ."""
    one, other = fresh.as_py(), stored.as_py()
    if one is None or other is None:
        return 0.0 if one is None and other is None else np.inf
    if isinstance(one, list):
        if len(one) != len(other):
            return np.inf
        apart = np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64))
        return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))
    if isinstance(one, float):
        return abs(one - other) if np.isfinite(other) else np.inf
    return 0.0 if one == other else np.inf
