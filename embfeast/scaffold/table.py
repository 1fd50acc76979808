"""The table as it is found: columns, types, nulls, how texts look. It is sampled, never read whole.

Counts over all rows read keys and times alone, which DuckDB does in about a second for ten million.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from feast.value_type import ValueType

from embfeast.errors import EmbfeastError, did_you_mean
from embfeast.plugin.source import feast_type
from embfeast.storage import Folder
from embfeast.texts.column_types import MOMENT
from embfeast.texts.database import open_text_database, quote
from embfeast.texts.opened import OpenedTable

# Rows that say how a column's texts look.
LOOKED_AT = 5_000
SAMPLE = "temp.embfeast_looked_at"
# Columns measured by one query: of hundreds, DuckDB plans longer than it counts.
TOGETHER = 25
# Of so many rows the values of each column are counted; of more, estimated.
COUNTED = 100_000
# A column of longer texts is no key, and is not counted over all rows.
LONGEST_KEY = 64

# A query as it is proposed here, and as people write it too.
PROPOSED = re.compile(
    r'SELECT (?P<what>\*.*?) FROM (?P<rows>"(?:[^"]|"")+"|[\w.]+|\(.*\n\))'
    r"(?: WHERE (?P<where>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Column:
    """One column; its name and kind are DuckDB's.

    `distinct` is how many values there are, about so many in a large table, None where it was not
    counted. Of the values looked at, `length` is the mean number of characters (0 where they are no
    texts), `variety` the share that differ, and `reads_as` says whether every text is a
    ``"number"`` or a ``"time"``.
    """

    name: str
    kind: str
    nulls: int
    distinct: int | None = None
    length: float = 0.0
    variety: float = 0.0
    reads_as: str | None = None

    @property
    def value_type(self) -> ValueType:
        """Feast's type."""
        return feast_type(self.kind)

    @property
    def is_text(self) -> bool:
        """Whether it is of a type that can hold texts."""
        return self.kind == "VARCHAR"

    @property
    def is_time(self) -> bool:
        """Whether it is a timestamp or a date."""
        return self.value_type is ValueType.UNIX_TIMESTAMP


class TextTable(OpenedTable):
    """An opened table or query with its number of rows and its columns; messages say `name`."""

    def __init__(self, *opened: Any, **options: Any) -> None:
        super().__init__(*opened, **options)
        # As it was given, before times were read: what stands after FROM, and columns made of it.
        self.given = self.relation
        self.computed: Mapping[str, str] = {}
        self.rows, self.columns = self._look(self.types)

    def first(self, what: str, where: str = "true", **values: Any) -> tuple[Any, ...]:
        """Return the first row of what is selected from the rows that fit."""
        return self.ask(f"SELECT {what} FROM {self.relation} WHERE {where} LIMIT 1", values)[0]

    def count(self, where: str, **values: Any) -> int:
        """Return how many rows fit."""
        return int(self.first("count(*)", where, **values)[0])

    def given_moment(self, column: str) -> str:
        """Return the SQL of a time in the table as it was given."""
        return f"CAST({self.computed.get(column, quote(column))} AS {MOMENT})"

    def as_query(self, what: str, where: str = "") -> str:
        """Return the option that reads the table as it was given in another way, for a shell.

        `what` is selected of it, a star with something before or behind it. What an earlier
        proposal said, which is the query now, goes on in the new one.
        """
        nested = f"SELECT {what} FROM {self.given}" + (f" WHERE {where}" if where else "")
        earlier = PROPOSED.fullmatch(self.given.removeprefix("(").removesuffix("\n)"))
        if earlier is None:
            return _option(nested)
        before, _, behind = what.rpartition("*") if what.endswith("*") else what.partition("*")
        conditions = [f"({earlier['where']})"] if earlier["where"] else []
        conditions += [where] if where else []
        one = f"SELECT {before}{earlier['what']}{behind} FROM {earlier['rows']}"
        one += f" WHERE {' AND '.join(conditions)}" if conditions else ""
        try:
            self.connection.execute(f"DESCRIBE {one}")
        except duckdb.Error:  # it was no query of that form
            return _option(nested)
        return _option(one)

    def _look(self, types: dict[str, str]) -> tuple[int, dict[str, Column]]:
        looks = self._look_at_texts([name for name, kind in types.items() if kind == "VARCHAR"])
        lengths = {name: looks.get(name, {}).get("length", 0) for name in types}
        short = [n for n, kind in types.items() if lengths[n] <= LONGEST_KEY and not _nested(kind)]
        (rows,) = self.first("count(*)")
        distinct_of = "count(DISTINCT {})" if rows <= COUNTED else "approx_count_distinct({})"
        counts = [f"count({quote(name)})" for name in types]
        counts += [distinct_of.format(quote(name)) for name in short]
        found = self.first(", ".join(counts))
        distinct = dict(zip(short, found[len(types) :], strict=True))
        columns = {
            name: Column(name, kind, rows - filled, distinct.get(name), **looks.get(name, {}))
            for (name, kind), filled in zip(types.items(), found, strict=False)
        }
        return rows, columns

    def _look_at_texts(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what a sample of the rows says about columns of texts."""
        if not names:
            return {}
        # Blanks say nothing about what a column holds.
        filled = ", ".join(f"nullif(trim({c}), '') AS {c}" for c in map(quote, names))
        self.ask(
            f"CREATE OR REPLACE TEMP TABLE {SAMPLE} AS SELECT {filled} FROM {self.relation} "
            f"USING SAMPLE reservoir({LOOKED_AT} ROWS) REPEATABLE (0)"
        )
        looks: dict[str, dict[str, Any]] = {}
        for first in range(0, len(names), TOGETHER):
            looks |= self._measure(names[first : first + TOGETHER])
        self.ask(f"DROP TABLE {SAMPLE}")
        return looks

    def _measure(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        measures = []
        for column in map(quote, names):
            measures += [
                f"coalesce(avg(length({column})), 0)",
                f"count(DISTINCT {column}) / greatest(count({column}), 1)",
                f"coalesce(bool_and(TRY_CAST({column} AS DOUBLE) IS NOT NULL), false)",
                f"coalesce(bool_and(TRY_CAST({column} AS TIMESTAMPTZ) IS NOT NULL), false)",
            ]
        found = self.ask(f"SELECT {', '.join(measures)} FROM {SAMPLE}")[0]
        looks = {}
        for name, start in zip(names, range(0, len(found), 4), strict=True):
            length, variety, number, time = found[start : start + 4]
            reads_as = "number" if number else "time" if time else None
            looks[name] = {"length": length, "variety": variety, "reads_as": reads_as}
        return looks


@contextmanager
def open_table(
    database: Folder | Path, table: str | None, query: str | None
) -> Iterator[TextTable]:
    """Open a query, or a table (by default the only one), of a database read-only."""
    with open_text_database(database) as connection:
        if query is not None:
            yield TextTable(connection, "query", query=query)
        else:
            name = _find_table(connection, database, table)
            yield TextTable(connection, f"table {name!r}", name)


def only_table(database: Folder | Path) -> str:
    """Return the name of a database's only table."""
    with open_text_database(database) as connection:
        return _find_table(connection, database, None)


def _find_table(
    connection: duckdb.DuckDBPyConnection, database: Folder | Path, table: str | None
) -> str:
    tables = [str(row[0]) for row in connection.execute("SHOW TABLES").fetchall()]
    if table is None and len(tables) == 1:
        return tables[0]
    if table in tables:
        return str(table)
    known = ", ".join(tables) or "none"
    if table is None:
        raise EmbfeastError(f"{database}: name the table with --table; it has {known}")
    raise EmbfeastError(
        f"{database} has no table {table!r}{did_you_mean(table, tables)}", f"it has {known}"
    )


def _option(query: str) -> str:
    return f"--query {shlex.quote(query)}"


def _nested(kind: str) -> bool:
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "JSON", "VARIANT"))
