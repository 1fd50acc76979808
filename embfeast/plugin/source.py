"""The text source: a table or query in a DuckDB file or a Parquet folder, opened read-only."""

import difflib
import json
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast.data_source import DataSource
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.repo_config import RepoConfig
from feast.value_type import ValueType

from embfeast.errors import EmbfeastError
from embfeast.plugin.database import open_text_database, quote
from embfeast.plugin.engine_choice import NEEDS_OURS, is_our_engine, is_our_offline_store

MOMENT = "TIMESTAMP WITH TIME ZONE"
_said_naive: set[tuple[str, str]] = set()

VALUE_TYPES = {
    "BOOLEAN": ValueType.BOOL,
    "TINYINT": ValueType.INT32,
    "SMALLINT": ValueType.INT32,
    "INTEGER": ValueType.INT32,
    "UTINYINT": ValueType.INT32,
    "USMALLINT": ValueType.INT32,
    "UINTEGER": ValueType.INT64,
    "BIGINT": ValueType.INT64,
    "UBIGINT": ValueType.INT64,
    "HUGEINT": ValueType.INT64,
    "FLOAT": ValueType.FLOAT,
    "DOUBLE": ValueType.DOUBLE,
    "DECIMAL": ValueType.DOUBLE,
    "VARCHAR": ValueType.STRING,
    "ENUM": ValueType.STRING,
    "UUID": ValueType.STRING,
    "JSON": ValueType.STRING,
    "TIME": ValueType.STRING,
    "INTERVAL": ValueType.STRING,
    "BLOB": ValueType.BYTES,
    "DATE": ValueType.UNIX_TIMESTAMP,
    "TIMESTAMP": ValueType.UNIX_TIMESTAMP,
}


class DuckDBSource(DataSource):
    """Texts in a DuckDB database file, or in a folder of Parquet files.

    Parameters
    ----------
    name : str
        Unique in the Feast project.
    database : str
        Path of the database file; a relative one starts at the feature repository. It is only
        ever opened read-only. A folder of Parquet files will do: its tables are the files and
        sub-folders in it.
    table, query : str, optional
        One of the two: a table's name, or one SELECT.
    text_columns : str or sequence of str
        Columns that hold text. A view reads all of them, joined by line breaks.
    timestamp_field : str
        When a row became true. Naive times are taken as UTC.
    created_timestamp_column : str, optional
        When a row was known.
    key_columns : str or sequence of str, optional
        Columns that say whose text it is; `embfeast fit` reads texts by them.
    label_column : str, optional
        What a model is to predict, where the table has it; `embfeast evaluate` and `report` use it.
        It never becomes a feature.
    field_mapping, description, tags, owner
        As in Feast's own sources.

    Raises
    ------
    EmbfeastError
        Not exactly one of table and query is given, or no text column or time.

    Examples
    --------
    >>> source = DuckDBSource(name="reviews", database="reviews.duckdb", table="reviews",
    ...                       text_columns="body", timestamp_field="written_at")
    >>> source.text_columns
    ('body',)
    """

    def __init__(
        self,
        *,
        name: str,
        database: str,
        table: str | None = None,
        query: str | None = None,
        text_columns: str | Sequence[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        key_columns: str | Sequence[str] = (),
        label_column: str | None = None,
        field_mapping: dict[str, str] | None = None,
        description: str = "",
        tags: dict[str, str] | None = None,
        owner: str = "",
    ) -> None:
        super().__init__(
            name=name,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            field_mapping=field_mapping,
            description=description,
            tags=tags,
            owner=owner,
        )
        self.database = str(database)
        self.table = table
        self.query = query
        self.text_columns = _names(text_columns)
        self.key_columns = _names(key_columns)
        self.label_column = label_column
        self._check_arguments()

    def _check_arguments(self) -> None:
        if bool(self.table) == bool(self.query):
            raise EmbfeastError(f"source {self.name!r}: give either table or query")
        if not self.text_columns or not self.timestamp_field:
            raise EmbfeastError(f"source {self.name!r}: give text_columns and timestamp_field")
        if self.query:
            try:
                statements = duckdb.extract_statements(self.query)
            except duckdb.Error as error:
                raise EmbfeastError(f"source {self.name!r}: query: {_first_line(error)}") from error
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise EmbfeastError(f"source {self.name!r}: query must be one SELECT")

    # What Feast asks of a source.

    def source_type(self) -> DataSourceProto.SourceType.ValueType:
        """Return Feast's kind for sources that it does not know."""
        return DataSourceProto.CUSTOM_SOURCE

    @staticmethod
    def from_proto(data_source: DataSourceProto) -> "DuckDBSource":
        """Read from the registry."""
        return DuckDBSource(
            name=data_source.name,
            timestamp_field=data_source.timestamp_field,
            created_timestamp_column=data_source.created_timestamp_column,
            field_mapping=dict(data_source.field_mapping),
            description=data_source.description,
            tags=dict(data_source.tags),
            owner=data_source.owner,
            **json.loads(data_source.custom_options.configuration),
        )

    def _to_proto_impl(self) -> DataSourceProto:
        proto = DataSourceProto(
            name=self.name,
            type=DataSourceProto.CUSTOM_SOURCE,
            data_source_class_type="embfeast.plugin.source.DuckDBSource",
            field_mapping=self.field_mapping,
            custom_options=DataSourceProto.CustomSourceOptions(
                configuration=json.dumps(self._own()).encode()
            ),
            description=self.description,
            tags=self.tags,
            owner=self.owner,
        )
        proto.timestamp_field = self.timestamp_field
        proto.created_timestamp_column = self.created_timestamp_column
        return proto

    def _own(self) -> dict[str, Any]:
        return {
            "database": self.database,
            "table": self.table,
            "query": self.query,
            "text_columns": list(self.text_columns),
            "key_columns": list(self.key_columns),
            "label_column": self.label_column,
        }

    def __eq__(self, other: object) -> bool:
        """Compare the place of the texts too, which Feast's own comparison leaves out."""
        if not isinstance(other, DuckDBSource):
            return False
        return bool(super().__eq__(other)) and self._own() == other._own()

    def __hash__(self) -> int:
        return hash((self.name, self.timestamp_field, json.dumps(self._own())))

    def validate(self, config: RepoConfig) -> None:
        """Check the database, the columns and their types; `feast apply` calls it.

        Raises
        ------
        EmbfeastError
            Names what is missing or of the wrong type, or that neither the engine nor the offline
            store can read the database.
        """
        if not is_our_engine(config) and not is_our_offline_store(config):
            raise EmbfeastError(
                f"source {self.name!r}: Feast's own stores cannot read a text database; put into "
                "feature_store.yaml: offline_store: {type: embfeast.plugin.DuckDBOfflineStore}. "
                f"And {NEEDS_OURS}"
            )
        types = dict(self.get_table_column_names_and_types(config))
        named = [*self.key_columns, *([self.label_column] if self.label_column else [])]
        self._check_types(types, named)

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[tuple[str, str]]:
        """Return the columns and their DuckDB types."""
        return self.column_types(config.repo_path).items()

    @staticmethod
    def source_datatype_to_feast_value_type() -> Callable[[str], ValueType]:
        """Return the function from a DuckDB type to Feast's."""
        return feast_type

    def get_table_query_string(self) -> str:
        """Return what stands after FROM."""
        return quote(self.table) if self.table else f"({(self.query or '').rstrip().rstrip(';')})"

    # What the engine asks.

    def path(self, repo: Path | str | None) -> Path:
        """Return where the database file lies."""
        return Path(repo or ".") / self.database

    def read_texts(
        self,
        repo: Path | str | None,
        *,
        keys: Sequence[str],
        start: datetime | None = None,
        end: datetime | None = None,
        batch_rows: int = 2048,
        batch_characters: int | None = None,
    ) -> Iterator[pa.Table]:
        """Stream the rows of a period in order of time, every revision.

        Parameters
        ----------
        repo : Path
            The feature repository.
        keys : sequence of str
            Key columns.
        start, end : datetime, optional
            Rows with an event time from `start` to `end`, both included, and rows that became
            known from `start` on with an event time before it: late arrivals are not lost.
        batch_rows : int, default 2,048
            Most rows of a table.
        batch_characters : int, optional
            Most characters of its texts; a longer text comes alone.

        Yields
        ------
        pyarrow.Table
            Keys, event and created time (UTC, microseconds), and the text columns.
        """
        columns = [quote(key) for key in keys]
        columns += [self._moment(field) for field in self._time_fields()]
        columns += [quote(text) for text in self.text_columns]
        order = ", ".join(quote(name) for name in [*self._time_fields(), *keys])
        where, values = self._period(start, end)
        with self._open(repo) as connection:
            self._check_types(self._types(connection), keys)
            rows = connection.sql(
                f"SELECT {', '.join(columns)} FROM {self.get_table_query_string()} "  # noqa: S608
                f"WHERE {where} ORDER BY {order}",
                params=values,
            )
            for batch in rows.to_arrow_reader(batch_rows):
                read = pa.Table.from_batches([batch])
                if batch_characters is None:
                    yield read
                else:
                    yield from _cut(read, self.text_columns, batch_characters)

    def count(
        self, repo: Path | str | None, start: datetime | None = None, end: datetime | None = None
    ) -> int:
        """Return how many rows `read_texts` yields."""
        where, values = self._period(start, end)
        with self._open(repo) as connection:
            sql = f"SELECT count(*) FROM {self.get_table_query_string()} WHERE {where}"  # noqa: S608
            return int(self._run(connection, sql, values).fetchone()[0])

    def column_types(self, repo: Path | str | None) -> dict[str, str]:
        """Return the columns and their DuckDB types."""
        with self._open(repo) as connection:
            return self._types(connection)

    def period(self, repo: Path | str | None) -> tuple[datetime, datetime] | None:
        """Return the first and the last event time (UTC), or None where there are no rows."""
        event = f"CAST({quote(self.timestamp_field)} AS {MOMENT})"
        sql = f"SELECT min({event}), max({event}) FROM {self.get_table_query_string()}"  # noqa: S608
        with self._open(repo) as connection:
            self._check_types(self._types(connection))
            first, last = self._run(connection, sql).fetchone()
        return None if first is None else (first.astimezone(UTC), last.astimezone(UTC))

    def check(self, repo: Path | str | None, keys: Sequence[str]) -> None:
        """Refuse rows that no feature row could stand for.

        Raises
        ------
        EmbfeastError
            A key or event time is null, or a key has two rows of the same event and created
            time: the message names an example.
        """
        table = self.get_table_query_string()
        with self._open(repo) as connection:
            self._check_types(self._types(connection), keys)
            for column in [*keys, self.timestamp_field]:
                sql = f"SELECT count(*) FROM {table} WHERE {quote(column)} IS NULL"  # noqa: S608
                if nulls := self._run(connection, sql).fetchone()[0]:
                    raise EmbfeastError(
                        f"source {self.name!r}: {nulls:,} rows have no {column!r}; give them one, "
                        "or leave them out by a query"
                    )
            self._check_duplicates(connection, keys)

    def _check_duplicates(self, connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> None:
        by = ", ".join(quote(name) for name in [*keys, *self._time_fields()])
        found = self._run(
            connection,
            f"SELECT {by}, count(*) FROM {self.get_table_query_string()} "  # noqa: S608
            f"GROUP BY {by} HAVING count(*) > 1 ORDER BY {by} LIMIT 1",
        ).fetchone()
        if found:
            example = ", ".join(
                f"{name}={value}"
                for name, value in zip([*keys, *self._time_fields()], found, strict=False)
            )
            raise EmbfeastError(
                f"source {self.name!r}: {found[-1]} rows have the same key and time ({example}); "
                "keep one of them, or give each revision its own time"
            )

    def _time_fields(self) -> list[str]:
        created = self.created_timestamp_column
        return [self.timestamp_field, created] if created else [self.timestamp_field]

    def _moment(self, field: str) -> str:
        return f"CAST({quote(field)} AS {MOMENT}) AS {quote(field)}"

    def _period(self, start: datetime | None, end: datetime | None) -> tuple[str, dict[str, Any]]:
        event = f"CAST({quote(self.timestamp_field)} AS {MOMENT})"
        conditions, values = ["true"], {}
        if start is not None:
            since = f"{event} >= $start"
            if self.created_timestamp_column:
                created = f"CAST({quote(self.created_timestamp_column)} AS {MOMENT})"
                since = f"({since} OR {created} >= $start)"
            conditions.append(since)
            values["start"] = start
        if end is not None:
            conditions.append(f"{event} <= $end")
            values["end"] = end
        return " AND ".join(conditions), values

    def _open(self, repo: Path | str | None) -> Any:
        return open_text_database(self.path(repo))

    def _types(self, connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
        sql = f"DESCRIBE SELECT * FROM {self.get_table_query_string()}"  # noqa: S608
        return {row[0]: row[1] for row in self._run(connection, sql).fetchall()}

    def _run(
        self,
        connection: duckdb.DuckDBPyConnection,
        sql: str,
        values: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return connection.execute(sql, values or {})
        except duckdb.CatalogException as error:
            raise EmbfeastError(self._no_table(connection, error)) from error
        except duckdb.Error as error:
            raise EmbfeastError(f"source {self.name!r}: {_first_line(error)}") from error

    def _no_table(self, connection: duckdb.DuckDBPyConnection, error: duckdb.Error) -> str:
        if not self.table:
            return f"source {self.name!r}: query: {_first_line(error)}"
        tables = [row[0] for row in connection.execute("SHOW TABLES").fetchall()]
        return (
            f"source {self.name!r}: {self.database} has no table {self.table!r}"
            f"{_did_you_mean(self.table, tables)}; it has {', '.join(tables) or 'none'}"
        )

    def _check_types(self, types: dict[str, str], keys: Sequence[str] = ()) -> None:
        for column in [*keys, *self._time_fields(), *self.text_columns]:
            if column not in types:
                raise EmbfeastError(
                    f"source {self.name!r} has no column {column!r}"
                    f"{_did_you_mean(column, list(types))}; it has {', '.join(types)}"
                )
        for column in self.text_columns:
            if feast_type(types[column]) is not ValueType.STRING:
                raise EmbfeastError(
                    f"source {self.name!r}: text column {column!r} is {types[column]}, not text; "
                    "name a VARCHAR column, or cast it in a query"
                )
        for column in self._time_fields():
            if feast_type(types[column]) is not ValueType.UNIX_TIMESTAMP:
                raise EmbfeastError(
                    f"source {self.name!r}: time column {column!r} is {types[column]}, not a "
                    "timestamp or date; cast it in a query"
                )
            self._say_naive(column, types[column])

    def _say_naive(self, column: str, kind: str) -> None:
        if kind == MOMENT or (self.name, column) in _said_naive:
            return
        _said_naive.add((self.name, column))
        warnings.warn(
            f"source {self.name!r}: {column!r} has no time zone ({kind}) and is taken as UTC",
            stacklevel=2,
        )


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


def feast_type(kind: str) -> ValueType:
    """Return Feast's type for a DuckDB type.

    Examples
    --------
    >>> feast_type("BIGINT").name, feast_type("FLOAT[384]").name, feast_type("DECIMAL(9,2)").name
    ('INT64', 'FLOAT_LIST', 'DOUBLE')
    """
    element = re.sub(r"\[\d*\]$", "", kind)
    base = re.split(r"[(\s_]", element, maxsplit=1)[0].upper()
    value = VALUE_TYPES.get(base, ValueType.UNKNOWN)
    if element == kind or value is ValueType.UNKNOWN:
        return value
    return ValueType[f"{value.name}_LIST"]


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
