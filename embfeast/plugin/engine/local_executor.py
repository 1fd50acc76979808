"""Where chunks are computed: what an executor is, and the one that computes them right here."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

from embfeast.encoding.write_behind import write_behind
from embfeast.plugin.engine.chunks import RunCounts, Work, encode_work
from embfeast.plugin.engine.commit import Commit
from embfeast.plugin.engine.part_writer import PartWriter
from embfeast.plugin.feature_table import FeatureTable
from embfeast.recipe import FittedRecipe
from embfeast.tables.append import Appender
from embfeast.tables.place import Place

Advance = Callable[[int], Any]


class Executor(Protocol):
    """Computes chunks and adds their rows; when it has ended, all of them are stored."""

    @property
    def readers(self) -> int:
        """How many compute at a time, each a chunk."""
        ...

    def __call__(self, work: Iterable[Any], advance: Advance) -> Iterator[RunCounts]:
        """Yield what was done, chunk by chunk, in any order.

        Parameters
        ----------
        work : iterable of Work, or of Slice where workers read the texts
        advance : callable
            Called with the number of texts done since the last call, for a progress bar.
        """
        ...

    def serve(
        self, commit: Commit, store: Any, start: datetime | None, end: datetime | None
    ) -> None:
        """Put the newest row of every key that has one in a period online, of all served views."""
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """One chunk after the other, in this process, on all its cores.

    While a chunk is encoded other threads make features of the one before, write them, and keep its
    vectors in the cache: that alone leaves cores idle. Encoding stays in the calling thread, which
    Ctrl-C reaches.

    Attributes
    ----------
    tables : mapping from its place to the table
    appenders : mapping from the same places to Appender
    fitted : FittedRecipe
    """

    tables: Mapping[Place, FeatureTable]
    appenders: Mapping[Place, Appender]
    fitted: FittedRecipe
    readers: ClassVar[int] = 1

    def __call__(self, work: Iterable[Work], advance: Advance) -> Iterator[RunCounts]:
        """Yield what was done, chunk by chunk."""
        writer = PartWriter(self.tables, self.appenders, self.fitted)
        with write_behind(self.fitted.encoder), ThreadPoolExecutor(1) as pool:
            before: Future[RunCounts] | None = None
            for chunk in work:
                if not chunk.rows.num_rows:
                    advance(chunk.read)
                    yield RunCounts(rows=chunk.read)
                    continue
                encoded = encode_work(chunk, self.tables, self.fitted, advance)
                advance(chunk.read - encoded.wanted)
                if before:  # never more than one chunk waits for the writer
                    yield before.result()
                before = pool.submit(writer.add, chunk, encoded)
            if before:
                yield before.result()
        writer.flush()

    def serve(
        self, commit: Commit, store: Any, start: datetime | None, end: datetime | None
    ) -> None:
        """Write online from this process."""
        commit.serve_period(store, start, end)
