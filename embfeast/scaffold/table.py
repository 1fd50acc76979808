"""The table as it is found: columns, types, nulls, how texts look. It is sampled, never read whole.

Counts over all rows read keys and times alone, which DuckDB does in about a second for ten million.
"""

import difflib
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from feast.value_type import ValueType

from embfeast.errors import EmbfeastError
from embfeast.plugin.database import open_text_database, quote
from embfeast.plugin.source import feast_type

# Rows that say how a column's texts look.
LOOKED_AT = 5_000
# A column of longer texts is no key, and is not counted over all rows.
LONGEST_KEY = 64


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name, kind : str
        As DuckDB calls them.
    nulls : int
    distinct : int or None
        About how many values there are; None where it was not counted.
    length : float
        Mean characters of the values that were looked at; 0 where they are no texts.
    variety : float
        Share of the values looked at that differ, from 0 to 1.
    reads_as : str or None
        ``"number"`` or ``"time"`` where every text looked at is one.
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


class TextTable:
    """An opened table or query.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    name : str
        For messages.
    relation : str
        What stands after FROM.

    Attributes
    ----------
    rows : int
    columns : dict of Column
        By name, in the table's order.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str, relation: str) -> None:
        self.connection = connection
        self.name = name
        self.relation = relation
        types = dict(row[:2] for row in self.ask(f"DESCRIBE SELECT * FROM {relation}"))  # noqa: S608
        self.rows, self.columns = self._look(types)

    def ask(self, sql: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query and return its rows.

        Raises
        ------
        EmbfeastError
            DuckDB cannot run it.
        """
        try:
            return self.connection.execute(sql, values or {}).fetchall()
        except duckdb.Error as error:
            raise EmbfeastError(f"{self.name}: {str(error).splitlines()[0]}") from error

    def duplicate(self, names: Sequence[str]) -> tuple[Any, ...] | None:
        """Return values that several rows share in these columns, and how many rows do."""
        by = ", ".join(map(quote, names))
        found = self.ask(
            f"SELECT {by}, count(*) FROM {self.relation} "  # noqa: S608
            f"GROUP BY {by} HAVING count(*) > 1 LIMIT 1"
        )
        return found[0] if found else None

    def as_query(self, what: str, rest: str = "") -> str:
        """Return the option that reads this table in another way, as one types it in a shell."""
        return f"--query {shlex.quote(f'SELECT {what} FROM {self.relation}{rest}')}"  # noqa: S608

    def _look(self, types: dict[str, str]) -> tuple[int, dict[str, Column]]:
        looks = self._look_at_texts([name for name, kind in types.items() if kind == "VARCHAR"])
        short = [
            name
            for name in types
            if looks.get(name, {}).get("length", 0) <= LONGEST_KEY and not _nested(types[name])
        ]
        counts = ["count(*)", *(f"count({quote(name)})" for name in types)]
        counts += [f"approx_count_distinct({quote(name)})" for name in short]
        rows, *found = self.ask(f"SELECT {', '.join(counts)} FROM {self.relation}")[0]  # noqa: S608
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
        measures = []
        for column in map(quote, names):
            measures += [
                f"coalesce(avg(length({column})), 0)",
                f"count(DISTINCT {column}) / greatest(count({column}), 1)",
                f"coalesce(bool_and(TRY_CAST({column} AS DOUBLE) IS NOT NULL), false)",
                f"coalesce(bool_and(TRY_CAST({column} AS TIMESTAMPTZ) IS NOT NULL), false)",
            ]
        # Blanks say nothing about what a column holds.
        filled = ", ".join(f"nullif(trim({c}), '') AS {c}" for c in map(quote, names))
        found = self.ask(
            f"SELECT {', '.join(measures)} FROM (SELECT {filled} FROM {self.relation} "  # noqa: S608
            f"USING SAMPLE reservoir({LOOKED_AT} ROWS) REPEATABLE (0))"
        )[0]
        looks = {}
        for name, start in zip(names, range(0, len(found), 4), strict=True):
            length, variety, number, time = found[start : start + 4]
            reads_as = "number" if number else "time" if time else None
            looks[name] = {"length": length, "variety": variety, "reads_as": reads_as}
        return looks


@contextmanager
def open_table(database: Path, table: str | None, query: str | None) -> Iterator[TextTable]:
    """Open a table or query of a database read-only.

    Parameters
    ----------
    database : Path
    table : str or None
        The database's only table by default.
    query : str or None
        Instead of a table.

    Raises
    ------
    EmbfeastError
        The database cannot be opened, has no such table, or the query fails.
    """
    with open_text_database(database) as connection:
        if query is not None:
            yield TextTable(connection, "query", f"({query.strip().rstrip(';')})")
        else:
            name = _find_table(connection, database, table)
            yield TextTable(connection, f"table {name!r}", quote(name))


def only_table(database: Path) -> str:
    """Return the name of a database's only table."""
    with open_text_database(database) as connection:
        return _find_table(connection, database, None)


def _find_table(connection: duckdb.DuckDBPyConnection, database: Path, table: str | None) -> str:
    tables = [str(row[0]) for row in connection.execute("SHOW TABLES").fetchall()]
    if table is None and len(tables) == 1:
        return tables[0]
    if table in tables:
        return str(table)
    known = ", ".join(tables) or "none"
    if table is None:
        raise EmbfeastError(f"{database}: name the table with --table; it has {known}")
    close = difflib.get_close_matches(table, tables, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    raise EmbfeastError(f"{database} has no table {table!r}{hint}; it has {known}")


def _nested(kind: str) -> bool:
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "JSON", "VARIANT"))
