"""What entities wrote before each text of a source: its digest, and those texts.

A row of such features knows, beside the digest of its own text, one of who wrote it and of every
text that counts before it. So a late arrival, a revision or a text that is gone makes the later
rows of its entity rows of another text, and these are computed again as any changed one is.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embfeast.encoding import EmbeddingCache
from embfeast.errors import EmbfeastError
from embfeast.plugin.engine.chunks import Work, identities, with_text_digests
from embfeast.plugin.engine.pasts import Texts, past_column
from embfeast.plugin.feature_table import FeatureTable
from embfeast.recipe import FittedRecipe
from embfeast.tables.columns import EVENT_TIME, TEXT_DIGEST
from embfeast.tables.place import Place
from embfeast.tables.present_rows import PresentRows
from embfeast.tables.table import Table
from embfeast.texts.opened import OpenedTexts
from embfeast.tricks.parts.occasions import Owners, owners_of


class Histories:
    """Of the texts of a source: what their entities wrote before them.

    Parameters
    ----------
    texts : OpenedTexts
        Opened with the entities of the tables. They are read once, and a hundred bytes of each
        text are kept.
    tables : sequence of FeatureTable
        All of one recipe and that source; those of entities count.
    end : datetime, optional
        Texts after it do not matter.
    """

    def __init__(
        self, texts: OpenedTexts, tables: Sequence[FeatureTable], end: datetime | None = None
    ) -> None:
        self._texts = texts
        self._tables = {table.entity: table for table in tables if table.entity}
        self._rows = self._read(end) if self._tables else None
        if self._rows is not None:
            numbers = self._numbers(self._rows)
            self._order = np.argsort(numbers)
            self._sorted = numbers[self._order]
            self._pasts = {one: self._past_digests(one, self._rows) for one in self._tables}

    def _read(self, end: datetime | None) -> pa.Table | None:
        texts = list(self._texts.columns.texts)
        known = (with_text_digests(chunk, texts) for chunk in self._texts.read(None, end))
        read = [chunk.drop_columns(texts) for chunk in known]
        return pa.concat_tables(read).unify_dictionaries() if read else None

    def _past_digests(self, column: str, rows: pa.Table) -> pa.Array:
        table = self._tables[column]
        named = identities(rows, table)
        texts = Texts.of(named, table.keys, rows[column], rows[TEXT_DIGEST])
        return pa.array(texts.past_digests(), pa.binary())

    def _numbers(self, rows: pa.Table) -> Owners:
        """Return a number for each row's keys and times."""
        table = next(iter(self._tables.values()))
        named = identities(rows, table)
        return owners_of(named.select(table.identity), rows.num_rows)

    def beside(self, chunk: pa.Table) -> pa.Table:
        """Return a chunk of the texts with digests of what came before each of them."""
        if not self._tables:
            return chunk
        numbers = self._numbers(chunk)
        found = np.searchsorted(self._sorted, numbers).clip(max=len(self._sorted) - 1)
        if not np.array_equal(self._sorted[found], numbers):
            raise EmbfeastError(
                f"{self._texts.name} got other rows while they were read", "run it again"
            )
        places = pa.array(self._order[found])
        for column, digests in self._pasts.items():
            chunk = chunk.append_column(past_column(column), digests.take(places))
        return chunk

    def first_change(self, stored: Table, table: FeatureTable, end: datetime) -> datetime | None:
        """Return the first event of which a table has a row of another text or past."""
        if self._rows is None or not table.entity:
            return None
        wanted = identities(self.beside(self._rows), table)
        present = PresentRows(stored, table.identity, None, end)
        _, changed = present.compare(wanted)
        present.close()
        first: datetime | None = pc.min(wanted[EVENT_TIME].filter(pa.array(changed))).as_py()
        return first

    def with_past(self, work: Work, tables: Mapping[Place, FeatureTable]) -> Work:
        """Return work with the texts that the rows it lacks are compared with."""
        if not self._tables or not work.rows.num_rows:
            return work
        lacking = {column: np.zeros(work.rows.num_rows, dtype=bool) for column in self._tables}
        for place, table in tables.items():
            if table.entity:
                lacking[table.entity] |= work.lacking[place]
        asked = {one: work.rows.filter(pa.array(rows)) for one, rows in lacking.items()}
        return replace(work, past=self.past(work.rows, asked))

    def past(self, rows: pa.Table, asked: Mapping[str, pa.Table]) -> pa.Table:
        """Return what was written before some of the rows, by the entities of a column each.

        The rows themselves are left out.
        """
        found = pa.concat_tables([self._before(own, column) for column, own in asked.items()])
        numbers = self._numbers(found)
        firsts: NDArray[np.int64] = np.sort(np.unique(numbers, return_index=True)[1])
        return found.take(pa.array(firsts[~np.isin(numbers[firsts], self._numbers(rows))]))

    def _before(self, rows: pa.Table, column: str) -> pa.Table:
        columns = self._texts.columns
        if not rows.num_rows:
            read = [*columns.keys, *columns.times, *columns.texts, *columns.entities]
            return rows.select(read)
        entities = pa.table({column: pc.unique(rows[column].drop_null())})
        return self._texts.of_entities(column, entities, pc.max(rows[columns.event]).as_py())


@contextmanager
def vectors_kept(fitted: FittedRecipe) -> Iterator[None]:
    """Keep vectors for a while, where no cache does: those of earlier texts are needed again."""
    encoder = fitted.encoder
    if encoder.cache is not None:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        fitted.encoder = encoder.with_cache(EmbeddingCache(folder))
        try:
            yield
        finally:
            fitted.encoder = encoder
