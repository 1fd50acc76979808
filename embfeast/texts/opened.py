"""An opened table or query of texts: what it says, checked and read on one connection."""

import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError, did_you_mean
from embfeast.moments import UNITS, likely_unit
from embfeast.recipe.encoded import is_missing
from embfeast.texts.column_types import (
    KEY_TYPES,
    NUMBER_TYPES,
    TEXT_TYPES,
    TIME_TYPES,
    WHOLE_TYPES,
    ZONED,
    base_type,
    moment,
)
from embfeast.texts.database import cursor_of, quote, relation, why_not
from embfeast.texts.forgotten import ForgottenKeys
from embfeast.texts.renamed import renamed

_said_naive: set[tuple[str, str]] = set()


class OpenedTable:
    """An opened table or query; its `name` is for messages, its `relation` stands after FROM."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        table: str | None = None,
        query: str | None = None,
    ) -> None:
        self.connection = connection
        self.name = name
        self.relation = relation(table, query)
        if table and "." in table and table in self._tables():  # a name that has a dot in it
            self.relation = quote(table)
        try:
            described = self.ask(f"DESCRIBE SELECT * FROM {self.relation}")
        except EmbfeastError as error:
            if not table or not isinstance(error.__cause__, duckdb.CatalogException):
                raise
            tables = self._tables()
            raise EmbfeastError(
                f"{name}: there is no table {table!r}{did_you_mean(table, tables)}",
                f"the database has {', '.join(tables) or 'none'}",
            ) from error
        self.types: dict[str, str] = dict(row[:2] for row in described)

    def _tables(self) -> list[str]:
        """Return the names of all tables, with their schema where it is not the first one."""
        found = self.ask(
            "SELECT table_schema, table_name FROM information_schema.tables ORDER BY ALL"
        )
        return [name if schema == "main" else f"{schema}.{name}" for schema, name in found]

    def ask(self, sql: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        try:
            return self.connection.execute(sql, dict(values or {})).fetchall()
        except duckdb.Error as error:
            raise why_not(self.name, error) from error

    def duplicate(self, names: Sequence[str], times: Sequence[str] = ()) -> tuple[Any, ...] | None:
        """Return the first values that several rows share in these columns, and how many do.

        Times are compared as they are stored, in microseconds.
        """
        by = ", ".join([*map(quote, names), *map(moment, times)])
        found = self.ask(
            f"SELECT {by}, count(*) FROM {self.relation} "
            f"GROUP BY {by} HAVING count(*) > 1 ORDER BY {by} LIMIT 1"
        )
        return found[0] if found else None


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are read as what."""

    keys: Sequence[str]
    event: str  # when a row became true
    created: str | None  # when it was known
    texts: Sequence[str]
    entities: Sequence[str] = ()  # who wrote them, where that is asked for
    known_utc: bool = False  # nobody needs to be told that naive times are UTC

    @property
    def times(self) -> list[str]:
        """Event time, and created time where there is one."""
        return [self.event, self.created] if self.created else [self.event]


class OpenedTexts(OpenedTable):
    """An opened table whose columns are declared, and checked when it is opened."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        columns: Columns,
        table: str | None = None,
        query: str | None = None,
        without: ForgottenKeys | None = None,
        new_names: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(connection, name, table, query)
        if new_names:
            self.relation, self.types = renamed(name, self.relation, self.types, new_names)
        self.columns = columns
        self._streams: list[Generator[pa.Table, None, None]] = []
        self._check_types()
        # As it is stored: of revisions within a microsecond the last one counts.
        self.rows = self.relation
        if any(self.types[time].endswith("_NS") for time in columns.times):
            by = ", ".join([*map(quote, columns.keys), *map(moment, columns.times)])
            last = ", ".join(f"{quote(time)} DESC" for time in columns.times)
            self.rows = (
                f"(SELECT * FROM {self.relation} "
                f"QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY {last}) = 1)"
            )
        if without and (condition := without.without(self.types)) != "true":
            self.rows = f"(SELECT * FROM {self.rows} WHERE {condition})"

    def read(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        batch_rows: int = 2048,
        batch_characters: int | None = None,
    ) -> Iterator[pa.Table]:
        """Stream the rows of a period in order of time, every revision.

        Parameters
        ----------
        start, end : datetime, optional
            Rows with an event time from `start` to `end`, both included, and rows that became
            known from `start` on with an event time before it: late arrivals are not lost.
        batch_rows : int, default 2,048
            Most rows of a table.
        batch_characters : int, optional
            Most characters of its texts; a longer text comes alone.

        Returns
        -------
        iterator of pyarrow.Table
            Keys, event and created time (UTC, microseconds), and the text columns.
        """
        sql, values = self.in_order(start, end)
        return self.stream(sql, values, batch_rows, batch_characters)

    def stream(
        self,
        sql: str,
        values: Mapping[str, Any],
        batch_rows: int,
        batch_characters: int | None = None,
    ) -> Iterator[pa.Table]:
        """Stream the rows of a query, until they end or `stop_reading` does."""
        rows = self._stream(sql, values, batch_rows, batch_characters)
        self._streams.append(rows)
        return rows

    def stop_reading(self) -> None:
        """End what is still read: DuckDB waits without end for a connection that has a reader."""
        for rows in self._streams:
            rows.close()

    def in_order(
        self,
        start: datetime | None,
        end: datetime | None,
        *,
        texts: bool = True,
        within: tuple[datetime, datetime] | None = None,
    ) -> tuple[str, dict[str, Any]]:
        """Return the query for the rows of a period in order of time, and its values.

        Parameters
        ----------
        start, end : datetime or None
            As `read` takes them.
        texts : bool, default True
            With the text columns.
        within : pair of datetime, optional
            Only rows with an event time from the first to the second, both included.
        """
        columns = self.columns
        order = ", ".join(map(quote, [*columns.times, *columns.keys]))
        where, values = self._period(start, end)
        if within is not None:
            where += f" AND {self._event_within()}"
            values |= {"first": within[0], "last": within[1]}
        selected = self._selected(texts=texts)
        return f"SELECT {selected} FROM {self.rows} WHERE {where} ORDER BY {order}", values

    def _event_within(self) -> str:
        """Return a condition on the event time that DuckDB can skip rows by, unread."""
        column = self.columns.event
        kind = self.types[column]
        if base_type(kind) == "TIMESTAMP" and not kind.endswith("_NS"):
            first, last = f"CAST($first AS {kind})", f"CAST($last AS {kind})"
            return f"{quote(column)} BETWEEN {first} AND {last}"
        return f"{moment(column)} BETWEEN $first AND $last"

    def _stream(
        self,
        sql: str,
        values: Mapping[str, Any],
        batch_rows: int,
        batch_characters: int | None,
    ) -> Generator[pa.Table, None, None]:
        try:
            rows = self.connection.sql(sql, params=dict(values))
            with rows.to_arrow_reader(batch_rows) as reader:
                for batch in reader:
                    read = pa.Table.from_batches([batch])
                    if batch_characters is None:
                        yield read
                    else:
                        yield from _cut(read, self.columns.texts, batch_characters)
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            raise why_not(self.name, error) from error

    def _selected(self, *, texts: bool = True) -> str:
        """Return the SQL of the columns that are read."""
        columns = self.columns
        return ", ".join(
            [
                *map(quote, columns.keys),
                *(f"{moment(time)} AS {quote(time)}" for time in columns.times),
                *(map(quote, columns.texts) if texts else ()),
                *(f"CAST({quote(one)} AS VARCHAR) AS {quote(one)}" for one in columns.entities),
            ]
        )

    def of_entities(self, column: str, entities: pa.Table, before: datetime) -> pa.Table:
        """Return what entities wrote before a moment, also while rows are read.

        Parameters
        ----------
        column : str
            Of those that name entities.
        entities : pyarrow.Table
            With the column, as text.
        before : datetime
            Of the event, not included.

        Returns
        -------
        pyarrow.Table
            As `read` gives them: each revision of a key of which one is theirs, since another's
            revision ends what they wrote.
        """
        keys = ", ".join(map(quote, self.columns.keys))
        connection = cursor_of(self.connection)
        try:
            connection.register("wanted", entities.select([column]))
            rows: pa.Table = connection.sql(
                f"SELECT {self._selected()} FROM {self.rows} SEMI JOIN ("
                f"SELECT DISTINCT {keys} FROM {self.rows} texts SEMI JOIN wanted "
                f"ON CAST(texts.{quote(column)} AS VARCHAR) = wanted.{quote(column)}"
                f") USING ({keys}) WHERE {moment(self.columns.event)} < $before",
                params={"before": before},
            ).to_arrow_table()
            return rows
        except duckdb.Error as error:
            raise why_not(self.name, error) from error
        finally:
            connection.close()

    def read_sampled(
        self, rows: int | None, seed: int
    ) -> Iterator[tuple[pa.Table, NDArray[np.int64]]]:
        """Stream all rows, and with each chunk which of its rows belong to a sample."""
        total = self.count()
        chosen = np.arange(total)
        if rows is not None and rows < total:
            chosen = np.sort(np.random.default_rng(seed).choice(total, rows, replace=False))
        start = 0
        for chunk in self.read():
            end = start + chunk.num_rows
            yield chunk, chosen[(chosen >= start) & (chosen < end)] - start
            start = end

    def count(self, start: datetime | None = None, end: datetime | None = None) -> int:
        """Return how many rows `read` yields."""
        where, values = self._period(start, end)
        return int(self.ask(f"SELECT count(*) FROM {self.rows} WHERE {where}", values)[0][0])

    def period(self) -> tuple[datetime, datetime] | None:
        """Return the first and the last event time (UTC), or None where there are no rows."""
        event = moment(self.columns.event)
        first, last = self.ask(f"SELECT min({event}), max({event}) FROM {self.relation}")[0]
        return None if first is None else (first.astimezone(UTC), last.astimezone(UTC))

    def check_rows(self) -> None:
        """Refuse a null key or event time, and two rows of one key and the same times."""
        for column in [*self.columns.keys, self.columns.event]:
            sql = f"SELECT count(*) FROM {self.relation} WHERE {quote(column)} IS NULL"
            if nulls := self.ask(sql)[0][0]:
                raise EmbfeastError(
                    f"{self.name}: {nulls:,} rows have no {column!r}",
                    "give them one, or leave them out by a query",
                )
        self._check_times()
        identity = [*self.columns.keys, *self.columns.times]
        if found := self.duplicate(identity):
            example = ", ".join(f"{n}={v}" for n, v in zip(identity, found, strict=False))
            raise EmbfeastError(
                f"{self.name}: {found[-1]} rows have the same key and time ({example})",
                "keep one of them, or give each revision its own time",
            )

    def _check_times(self) -> None:
        for column in self.columns.times:
            time = moment(column)
            wrong = self.ask(
                f"SELECT CAST({time} AS VARCHAR) FROM {self.relation} "
                f"WHERE NOT {time} BETWEEN '0002-01-01' AND '9999-12-31 23:59:59.999999' LIMIT 1"
            )
            if wrong:
                raise EmbfeastError(
                    f"{self.name}: {column!r} has the time {wrong[0][0]}, outside the years 2 to "
                    "9999",
                    "correct it, or leave the row out by a query",
                )

    def _check_types(self) -> None:
        columns, types = self.columns, self.types
        for column in [*columns.keys, *columns.times, *columns.texts, *columns.entities]:
            if column not in types:
                raise EmbfeastError(
                    f"{self.name} has no column {column!r}{did_you_mean(column, types)}",
                    f"it has {', '.join(types)}",
                )
        for column in columns.keys:
            if base_type(types[column]) not in KEY_TYPES:
                raise EmbfeastError(
                    f"{self.name}: key column {column!r} is {types[column]}, whose text can be "
                    "written in several ways",
                    f"give a query with CAST({quote(column)} AS VARCHAR) AS {quote(column)}, and "
                    "the entity value_type=ValueType.STRING",
                )
        for column in columns.entities:
            if column in (taken := [*columns.keys, *columns.times, *columns.texts]):
                raise EmbfeastError(
                    f"{self.name}: entity column {column!r} is one of its keys, times and texts "
                    f"({', '.join(taken)}), and does not say who wrote a text",
                    "name another column in the recipe",
                )
            if base_type(types[column]) not in TEXT_TYPES | WHOLE_TYPES:
                raise EmbfeastError(
                    f"{self.name}: entity column {column!r} is {types[column]}, whose text can be "
                    "written in several ways",
                    f"give a query with CAST({quote(column)} AS VARCHAR) AS {quote(column)}",
                )
        for column in columns.texts:
            if base_type(types[column]) not in TEXT_TYPES:
                raise EmbfeastError(
                    f"{self.name}: text column {column!r} is {types[column]}, not text",
                    f"name a VARCHAR column, or give a query with CAST({quote(column)} AS VARCHAR)",
                )
        for column in columns.times:
            kind = types[column]
            if base_type(kind) not in TIME_TYPES:
                raise EmbfeastError(
                    f"{self.name}: time column {column!r} is {kind}, not a timestamp or date"
                    + self._looks_like(column),
                    self._as_time(column),
                )
            naive = kind not in ZONED and not columns.known_utc
            if naive and (self.name, column) not in _said_naive:
                _said_naive.add((self.name, column))
                warnings.warn(
                    f"{self.name}: {column!r} has no time zone ({kind}) and is taken as UTC",
                    stacklevel=2,
                )

    def _looks_like(self, column: str) -> str:
        unit = self._unit(column)
        return f", and looks like {unit} since 1970" if unit else ""

    def _as_time(self, column: str) -> str:
        unit, name = self._unit(column), quote(column)
        if unit is None:
            return f"give a query with CAST({name} AS TIMESTAMPTZ), or another column"
        divisor = dict(UNITS)[unit]
        return f"give a query with to_timestamp({name} / {divisor}.0) AS {name}"

    def _unit(self, column: str) -> str | None:
        if base_type(self.types[column]) not in NUMBER_TYPES:
            return None
        found = self.ask(
            f"SELECT median({quote(column)}) FROM (SELECT * FROM {self.relation} LIMIT 1000)"
        )[0][0]
        return likely_unit(found) if found is not None else None

    def _period(self, start: datetime | None, end: datetime | None) -> tuple[str, dict[str, Any]]:
        event, *created = map(moment, self.columns.times)
        conditions, values = ["true"], {}
        if start is not None:
            since = " OR ".join(f"{time} >= $start" for time in [event, *created])
            conditions.append(f"({since})")
            values["start"] = start
        if end is not None:
            conditions.append(f"{event} <= $end")
            values["end"] = end
        return " AND ".join(conditions), values


def joined_texts(chunk: pa.Table, columns: Sequence[str]) -> list[str | None]:
    r"""Return one text a row: its columns, those that are there, on lines of their own.

    Examples
    --------
    >>> chunk = pa.table({"subject": ["Late", None, None], "body": ["Where is it?", "Help", None]})
    >>> joined_texts(chunk, ("subject", "body"))
    ['Late\nWhere is it?', 'Help', None]
    """
    rows = zip(*(chunk[column].to_pylist() for column in columns), strict=True)
    said = ([text for text in row if not is_missing(text)] for row in rows)
    return ["\n".join(row) if row else None for row in said]


def _cut(rows: pa.Table, texts: Sequence[str], most: int) -> Iterator[pa.Table]:
    """Yield rows in tables whose texts have at most so many characters, or of one row."""
    ends = np.zeros(rows.num_rows, dtype=np.int64)
    for column in texts:
        ends += pc.utf8_length(rows[column].cast(pa.string())).fill_null(0).to_numpy().cumsum()
    first = 0
    while first < rows.num_rows:
        read = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, read + most, side="right")))
        yield rows.slice(first, last - first)
        first = last
