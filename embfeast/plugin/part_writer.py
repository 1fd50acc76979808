"""Encoded chunks become parts: their features are gathered until they fill a row group."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from embfeast.plugin import parts
from embfeast.plugin.compute import RunCounts, Work, counts_of, joined_work, write_parts
from embfeast.plugin.feature_table import FeatureTable
from embfeast.recipe import FittedRecipe
from embfeast.recipe.fitted import Encoded

# How long features wait for a row group to be filled: a run that is killed has to compute them, and
# those of the chunk in work, again. Their vectors are in the cache.
LONGEST_WAIT = 60.0  # seconds

# Texts that the tricks are applied to at a time: the numbers of more do not stay in a core's cache.
STEP = 2_048


@dataclass
class PartWriter:
    """Applies the tricks to chunks and writes their rows, in parts that need no joining later.

    Attributes
    ----------
    tables : mapping from the folder of its parts to the table
    fitted : FittedRecipe
    """

    tables: Mapping[Path, FeatureTable]
    fitted: FittedRecipe
    _waiting: list[tuple[Work, pa.Table]] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    def add(self, work: Work, encoded: Encoded) -> RunCounts:
        """Take an encoded chunk, and write what waits where it fills a row group."""
        features = pa.concat_tables(map(self.fitted.apply, encoded.steps(STEP)))
        self._waiting.append((work, features))
        rows = sum(waiting.rows.num_rows for waiting, _ in self._waiting)
        if rows >= parts.ROW_GROUP or time.monotonic() - self._since > LONGEST_WAIT:
            self.flush()
        return counts_of(work, features)

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            work = joined_work([work for work, _ in self._waiting])
            features = pa.concat_tables([features for _, features in self._waiting])
            write_parts(work, features, self.tables, self.fitted)
        self._waiting.clear()
        self._since = time.monotonic()
