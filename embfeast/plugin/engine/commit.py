"""The one way into feature tables, for runs and pushes alike.

Tables are opened once, what they lack is computed and added, the newest rows go online, and then
the tables are kept up. Offline comes first: what is stopped anywhere is repaired by doing it again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView
from feast.repo_config import RepoConfig

from embfeast.plugin.engine.chunks import Work, outdated_rows, work_left
from embfeast.plugin.engine.histories import Histories
from embfeast.plugin.engine.slices import Slice, slice_of
from embfeast.plugin.feature_table import FeatureTable, feature_table, is_served
from embfeast.plugin.online.write import write_online
from embfeast.read_ahead import read_ahead
from embfeast.tables import coverage
from embfeast.tables.append import Appender
from embfeast.tables.columns import CREATED_TIME, EVENT_TIME
from embfeast.tables.files import written_at
from embfeast.tables.newest_rows import newest_of_keys, newest_rows
from embfeast.tables.place import Place
from embfeast.tables.present_rows import PresentRows
from embfeast.tables.table import Table
from embfeast.tables.upkeep import keep_up
from embfeast.texts.database import quote
from embfeast.texts.stretches import Stretch


@dataclass(frozen=True, eq=False)
class Target:
    """A view, what its feature table is to be, and the table itself, opened."""

    view: FeatureView
    table: FeatureTable
    stored: Table


# Whether rows that are there are computed again. A run is started by Feast, which hands on no
# settings of ours.
AGAIN: ContextVar[bool] = ContextVar("again", default=False)
Newest = Callable[[Target], tuple[int, Iterable[pa.Table]]]


class Commit:
    """Rows of one recipe and one source on their way into the tables of their views.

    Parameters
    ----------
    config : RepoConfig
    views : sequence of FeatureView
    """

    def __init__(self, config: RepoConfig, views: Sequence[FeatureView]) -> None:
        self.config = config
        with ThreadPoolExecutor() as pool:
            self.targets = list(pool.map(self._open, views))
        places = {target.stored.place: target for target in self.targets}
        self.tables: Mapping[Place, FeatureTable] = {p: t.table for p, t in places.items()}
        self.appenders = {p: Appender(t.stored, t.table.identity) for p, t in places.items()}
        self._present: Mapping[Place, PresentRows] = {}

    @property
    def entities(self) -> list[str]:
        """The source's columns of who wrote a text that features depend on."""
        return list(dict.fromkeys(t.entity for t in self.tables.values() if t.entity))

    def changes(self, histories: Histories, end: datetime) -> Iterator[datetime]:
        """Yield the first event of each table that has another text or past now."""
        for target in self.targets:
            if found := histories.first_change(target.stored, target.table, end):
                yield found

    def _open(self, view: FeatureView) -> Target:
        table = feature_table(view, self.config)
        stored, _ = table.ensure()
        return Target(view, table, stored)

    @contextmanager
    def lacking(
        self, chunks: Iterable[pa.Table], start: datetime, end: datetime
    ) -> Iterator[Iterator[Work]]:
        """Find what the tables lack of texts of a period."""
        with self._present_rows(start, end):
            yield self._work(chunks)

    @contextmanager
    def planned(
        self, cut: Iterable[Stretch], start: datetime, end: datetime
    ) -> Iterator[Iterator[Slice]]:
        """Say of stretches of texts, which are not read here, what the tables have of them."""
        with self._present_rows(start, end) as present:
            yield (slice_of(stretch, self.tables, present) for stretch in cut)

    @contextmanager
    def _present_rows(
        self, start: datetime, end: datetime
    ) -> Iterator[Mapping[Place, PresentRows]]:
        with ExitStack() as opened:
            with ThreadPoolExecutor() as pool:
                found = pool.map(
                    lambda t: PresentRows(t.stored, t.table.identity, start, end), self.targets
                )
            self._present = dict(zip(self.tables, found, strict=True))
            for rows in self._present.values():
                opened.callback(rows.close)
            yield self._present

    def gone(self, end: datetime) -> int:
        """Return how many rows of the period have no text, once all texts of it were read."""
        unseen = (rows.unseen()[CREATED_TIME] for rows in self._present.values())
        return max(pc.sum(pc.less_equal(known, end)).as_py() or 0 for known in unseen)

    def _work(self, chunks: Iterable[pa.Table]) -> Iterator[Work]:
        for chunk in chunks:
            again = AGAIN.get()
            work = work_left(chunk, self.tables, self._present, again=again)
            for place, rows in outdated_rows(work, self.tables, again=again).items():
                self.appenders[place].replace(rows)
            yield work

    def serve(self, store: Any, newest: Newest) -> None:
        """Put each view's newest rows online, where it is served."""
        seen = self.files()
        # The rows of the next view are read while those of one are written.
        coming = read_ahead(
            (target, count, rows)
            for target in self.targets
            if is_served(target.view)
            for count, tables in [newest(target)]
            for rows in tables
        )
        for (target, count), group in groupby(coming, key=itemgetter(0, 1)):
            tables = (rows for _, _, rows in group)
            write_online(self.config, store, target.view, tables, count)
        self.catch_up(store, seen)

    def files(self) -> list[set[str]]:
        """Return the files of each view's table, of which the newest rows are read."""
        return [set(target.stored.files) for target in self.targets]

    def catch_up(self, store: Any, seen: Sequence[set[str]]) -> None:
        """Put online what others have added since those files were all of a table.

        Their own write may have come before ours, which then put an older row in its place.
        """
        for target, known in zip(self.targets, seen, strict=True):
            while is_served(target.view) and (
                added := [file for file in target.stored.reload().files if file not in known]
            ):
                known.update(added)
                keys, stored = target.table.keys, target.stored
                names = ", ".join(map(quote, [*keys, EVENT_TIME, CREATED_TIME]))
                rows = stored.query(f"SELECT {names} FROM {stored.scan(added)}")
                if rows.num_rows:
                    newest = newest_of_keys(stored, keys, rows)
                    write_online(self.config, store, target.view, [newest], newest.num_rows)

    def unserved(self) -> Iterator[datetime]:
        """Yield the first event that each table was given since its last run ended.

        One that was killed, or a push, may have put it nowhere but there.
        """
        for target in self.targets:
            ended = max((at for *_, at in coverage.runs(target.stored)), default=0)
            if files := [file for file in target.stored.files if written_at(file) >= ended]:
                found = target.stored.query(
                    f"SELECT min({EVENT_TIME}) AS first FROM {target.stored.scan(files)}"
                )
                first: list[Any] = found["first"].drop_null().to_pylist()
                yield from first

    def serve_period(self, store: Any, start: datetime | None, end: datetime | None) -> None:
        """Put the newest row of every key that has one in a period online."""
        self.serve(store, lambda target: newest_rows(target.stored, target.table.keys, start, end))

    def finish(self, kept_hours: int, covered: coverage.Period | None = None) -> None:
        """Record the period that the tables cover now, and keep them up."""

        def close(target: Target) -> None:
            if covered:
                coverage.add_run(target.stored, covered)
            keep_up(target.stored, kept_hours=kept_hours)

        with ThreadPoolExecutor() as pool:
            list(pool.map(close, self.targets))
