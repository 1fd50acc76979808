"""Encoded chunks become files: their features are gathered until they fill a row group."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from embfeast.plugin.engine.chunks import RunCounts, Work, counts_of, joined_work, write_files
from embfeast.plugin.feature_table import FeatureTable
from embfeast.recipe import FittedRecipe
from embfeast.recipe.encoded import Encoded
from embfeast.tables import files
from embfeast.tables.append import Appender
from embfeast.tables.files import DataFile
from embfeast.tables.place import Place

# How long features wait for a row group to be filled: a run that is killed has to compute them, and
# those of the chunk in work, again. Their vectors are in the cache.
LONGEST_WAIT = 60.0  # seconds

# Texts that the tricks are applied to at a time: the numbers of more do not stay in a core's cache.
STEP = 2_048


@dataclass
class PartWriter:
    """Applies the tricks to chunks and adds their rows, in files that need no joining later.

    Attributes
    ----------
    tables : mapping from its place to the table
    appenders : mapping from the same places to Appender
    fitted : FittedRecipe
    """

    tables: Mapping[Place, FeatureTable]
    appenders: Mapping[Place, Appender]
    fitted: FittedRecipe
    _waiting: list[tuple[Work, pa.Table]] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    def add(self, work: Work, encoded: Encoded) -> RunCounts:
        """Take an encoded chunk, and write what waits where it fills a row group."""
        features = pa.concat_tables(map(self.fitted.apply, encoded.steps(STEP)))
        self._waiting.append((work, features))
        rows = sum(waiting.rows.num_rows for waiting, _ in self._waiting)
        if rows >= files.ROW_GROUP or time.monotonic() - self._since > LONGEST_WAIT:
            self.flush()
        return counts_of(work, features)

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            work = joined_work([work for work, _ in self._waiting])
            features = pa.concat_tables([features for _, features in self._waiting])
            write_files(work, features, self.tables, self.fitted, self._add)
        self._waiting.clear()
        self._since = time.monotonic()

    def _add(self, file: DataFile) -> int:
        return self.appenders[file.place].add(file)
