"""Where chunks are computed: what an executor is, and the one that computes them right here."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from embfeast.plugin.compute import RunCounts, Work, compute_features, write_work
from embfeast.plugin.feature_table import FeatureTable
from embfeast.recipe import FittedRecipe


class Executor(Protocol):
    """Computes chunks and writes their parts; when it has ended, all of them are stored."""

    def __call__(self, work: Iterable[Work]) -> Iterator[RunCounts]:
        """Yield what was done, chunk by chunk, in any order."""
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """One chunk after the other, in this process, on all its cores.

    While a chunk is written the next one is computed: packing and writing leave cores idle.

    Attributes
    ----------
    tables : mapping from the folder of its parts to the table
    fitted : FittedRecipe
    """

    tables: Mapping[Path, FeatureTable]
    fitted: FittedRecipe

    def __call__(self, work: Iterable[Work]) -> Iterator[RunCounts]:
        """Yield what was done, in the order of the chunks."""
        with ThreadPoolExecutor(1) as writer:
            before: Future[RunCounts] | None = None
            for chunk in work:
                features = compute_features(chunk, self.tables, self.fitted)
                if before:  # never more than two chunks in memory
                    yield before.result()
                before = writer.submit(write_work, chunk, features, self.tables, self.fitted)
            if before:
                yield before.result()
