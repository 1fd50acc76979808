"""Texts of a period cut into stretches by keys and times alone, to be read by others.

Whoever cuts reads no text; whoever opens the same table reads a stretch of it without knowing the
others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from embfeast.errors import EmbfeastError
from embfeast.texts.opened import OpenedTexts

LEAST = 256  # texts of a stretch: a shorter one costs more to write than it saves in waiting


@dataclass(frozen=True)
class Stretch:
    """Texts of a period that follow each other in the order of `OpenedTexts.read`.

    Attributes
    ----------
    start, end : datetime or None
        The period.
    first, last : datetime
        Event times of the first and the last of them.
    before : int
        Texts with the event time `first` that come before them.
    rows : pyarrow.Table
        Their keys and times.
    """

    start: datetime | None
    end: datetime | None
    first: datetime
    last: datetime
    before: int
    rows: pa.Table


def stretches(
    texts: OpenedTexts,
    start: datetime | None,
    end: datetime | None,
    most: int,
    *,
    total: int = 0,
    readers: int = 1,
) -> Iterator[Stretch]:
    """Cut the texts of a period into stretches of at most so many, without reading a text.

    Every text is in one of them. For several readers they become shorter towards the end of `total`
    texts, so that none waits long for the last one: guided self-scheduling (Polychronopoulos and
    Kuck, 1987).
    """
    sql, values = texts.in_order(start, end, texts=False)
    latest, of_latest = None, 0
    for rows in _shortening(texts.stream(sql, values, most), total, readers):
        events = rows[texts.columns.event]
        first, last = events[0].as_py(), events[-1].as_py()
        before = of_latest if first == latest else 0
        yield Stretch(start, end, first, last, before, rows)
        of_latest = pc.sum(pc.equal(events, events[-1])).as_py() + (before if first == last else 0)
        latest = last


def _shortening(chunks: Iterator[pa.Table], left: int, readers: int) -> Iterator[pa.Table]:
    """Cut chunks to half of what each reader would get of the texts that are left."""
    for chunk in chunks:
        while chunk.num_rows:
            size = max(LEAST, left // (2 * readers)) if readers > 1 else chunk.num_rows
            if chunk.num_rows < size + LEAST:
                size = chunk.num_rows
            rows, chunk = chunk.slice(0, size), chunk.slice(size)
            left -= size
            yield rows


def read_stretch(texts: OpenedTexts, stretch: Stretch) -> pa.Table:
    """Read the texts of a stretch, as `OpenedTexts.read` yields them.

    Raises
    ------
    EmbfeastError
        Not the same texts are there as where it was cut.
    """
    sql, values = texts.in_order(stretch.start, stretch.end, within=(stretch.first, stretch.last))
    wanted = stretch.rows.num_rows
    none = stretch.rows.slice(0, 0)
    # Without a LIMIT, with which DuckDB would read the texts before it looks at their times.
    found = [*texts.stream(sql, values, stretch.before + wanted)] or [none]
    read = pa.concat_tables(found).slice(stretch.before, wanted)
    if not read.select(none.column_names).equals(stretch.rows):
        raise EmbfeastError(
            f"{texts.name}: the {wanted:,} texts from {stretch.first.isoformat()} to "
            f"{stretch.last.isoformat()} are not those that the run was planned for"
        )
    return read
