"""The text source: a table or query in a DuckDB file or a Parquet folder, opened read-only."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import duckdb
from feast.data_source import DataSource
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.repo_config import RepoConfig
from feast.value_type import ValueType

from embfeast.errors import EmbfeastError, first_line
from embfeast.plugin.engine_choice import NEEDS_OURS
from embfeast.plugin.feast_compat import is_our_engine, is_our_offline_store
from embfeast.storage import Folder, is_local
from embfeast.texts.column_types import base_type, check_label_columns
from embfeast.texts.database import open_text_database, relation
from embfeast.texts.forgotten import ForgottenKeys
from embfeast.texts.opened import Columns, OpenedTable, OpenedTexts

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
    "TIMESTAMPTZ": ValueType.UNIX_TIMESTAMP,
}

# A source's tag: its naive times are known to be UTC.
TIMES_TAG = "embfeast.times"


class DuckDBSource(DataSource):
    """Texts in a DuckDB database file, or in a folder of Parquet files and Delta tables.

    Parameters
    ----------
    name : str
        Unique in the Feast project.
    database : str
        Path of the database file; a relative one starts at the feature repository. It is only
        ever opened read-only. A folder will do, also ``s3://bucket/texts``: its tables are the
        Parquet files in it, its sub-folders of such files, and Delta tables. Keys and endpoint of
        object storage come from the environment.
    table, query : str, optional
        One of the two: a table's name, or one SELECT.
    text_columns : str or sequence of str
        Columns that hold text. A view reads all of them, joined by line breaks.
    timestamp_field : str
        When a row became true. Naive times are taken as UTC, which is warned of unless
        ``tags={"embfeast.times": "UTC"}`` says that it is known.
    created_timestamp_column : str, optional
        When a row was known.
    key_columns : str or sequence of str, optional
        Columns that say whose text it is; `embfeast fit` reads texts by them.
    label_column : str, optional
        What a model is to predict, where the table has it; `embfeast evaluate` and `report` use it.
        It never becomes a feature.
    label_known_column : str, optional
        When the label was known; by default when its row was. A label that is filled in later needs
        it: without it, training rows are told what nobody knew yet.
    field_mapping : dict, optional
        Of the table's own column names to those that all else here, views and recipes call them by.
    description, tags, owner
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
        label_known_column: str | None = None,
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
        self.label_known_column = label_known_column
        self._check_arguments()

    def _check_arguments(self) -> None:
        if not is_local(self.database) and "@" in self.database:
            raise EmbfeastError(
                f"source {self.name!r}: database must not hold user or keys",
                "put them into the environment, say AWS_ACCESS_KEY_ID",
            )
        if bool(self.table) == bool(self.query):
            raise EmbfeastError(f"source {self.name!r}: give either table or query")
        if not self.text_columns or not self.timestamp_field:
            raise EmbfeastError(f"source {self.name!r}: give text_columns and timestamp_field")
        if self.query:
            try:
                statements = duckdb.extract_statements(self.query)
            except duckdb.Error as error:
                raise EmbfeastError(f"source {self.name!r}: query: {first_line(error)}") from error
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
        } | ({"label_known_column": known} if (known := self.label_known_column) else {})

    def __eq__(self, other: object) -> bool:
        """Compare the place of the texts too, which Feast's own comparison leaves out."""
        if not isinstance(other, DuckDBSource):
            return False
        return bool(super().__eq__(other)) and self._own() == other._own()

    def __hash__(self) -> int:
        return hash((self.name, self.timestamp_field, json.dumps(self._own())))

    def validate(self, config: RepoConfig) -> None:
        """Check the database, the columns and their types; `feast apply` calls it."""
        if not is_our_engine(config) and not is_our_offline_store(config):
            raise EmbfeastError(
                f"source {self.name!r}: Feast's own stores cannot read a text database",
                "put into "
                "feature_store.yaml: offline_store: {type: embfeast.plugin.DuckDBOfflineStore}. "
                f"And {NEEDS_OURS}",
            )
        with self.open(config.repo_path) as texts:
            if self.label_column:
                check_label_columns(
                    texts.name, texts.types, self.label_column, self.label_known_column
                )

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[tuple[str, str]]:
        """Return the columns, by the table's own names, and their DuckDB types."""
        with self.connect(config.repo_path) as connection:
            opened = OpenedTable(connection, f"source {self.name!r}", self.table, self.query)
            return opened.types.items()

    @staticmethod
    def source_datatype_to_feast_value_type() -> Callable[[str], ValueType]:
        """Return the function from a DuckDB type to Feast's."""
        return feast_type

    def get_table_query_string(self) -> str:
        """Return what stands after FROM."""
        return relation(self.table, self.query)

    # What everybody else asks.

    @property
    def path(self) -> str:
        """The database as it was given; Feast's lineage and pages show it."""
        return self.database

    def place_in(self, repo: Path | str | None) -> Folder:
        """Return where the database lies."""
        return Folder.of(self.database, Path(repo or "."))

    def connect(
        self, repo: Path | str | None, sql: str | None = None
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Open the database; of a folder, the tables that the source or the SQL names."""
        return open_text_database(self.place_in(repo), sql or self.get_table_query_string())

    @contextmanager
    def open(
        self,
        repo: Path | str | None,
        keys: Sequence[str] | None = None,
        entities: Sequence[str] = (),
    ) -> Iterator[OpenedTexts]:
        """Open the table or query, its columns named by the field mapping and checked.

        Parameters
        ----------
        repo : Path
            The feature repository.
        keys : sequence of str, optional
            Key columns; by default the source's own.
        entities : sequence of str, optional
            Columns that say who wrote a text, to be read as text.

        Raises
        ------
        EmbfeastError
            The database cannot be opened, or a column is missing or of the wrong type.
        """
        columns = Columns(
            tuple(self.key_columns if keys is None else keys),
            self.timestamp_field,
            self.created_timestamp_column or None,
            self.text_columns,
            tuple(entities),
            self.tags.get(TIMES_TAG) == "UTC",
        )
        with self.connect(repo) as connection:
            opened = OpenedTexts(
                connection,
                f"source {self.name!r}",
                columns,
                self.table,
                self.query,
                ForgottenKeys(repo),
                self.field_mapping,
            )
            try:
                yield opened
            finally:
                opened.stop_reading()


def feast_type(kind: str) -> ValueType:
    """Return Feast's type for a DuckDB type.

    Examples
    --------
    >>> feast_type("BIGINT").name, feast_type("FLOAT[384]").name, feast_type("DECIMAL(9,2)").name
    ('INT64', 'FLOAT_LIST', 'DOUBLE')
    """
    base, *widths = base_type(kind).split("[")
    value = VALUE_TYPES.get(base, ValueType.UNKNOWN)
    if not widths or value is ValueType.UNKNOWN:
        return value
    return ValueType[f"{value.name}_LIST"] if len(widths) == 1 else ValueType.UNKNOWN


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
