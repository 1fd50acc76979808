"""The offline store: training sets from DuckDB tables, feature tables and Parquet, by DuckDB."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView, FileSource, OnDemandFeatureView
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.utils import compute_non_entity_date_range

from embfeast.errors import EmbfeastError, first_line
from embfeast.moments import MOMENT as MOMENT_TYPE
from embfeast.moments import exact_moments
from embfeast.plugin.feast_compat import requested_features
from embfeast.plugin.feature_table import place_of
from embfeast.plugin.monitoring.store import MonitoredStore
from embfeast.plugin.source_scan import (
    check_columns,
    is_delta,
    opened_tables,
    relation_of,
    run_query,
    scan_of,
    table_time,
)
from embfeast.plugin.training.entity_query import EntityFrame, output_names, rows_of
from embfeast.plugin.training.hindsight import refuse_own_texts, warn_of_hindsight
from embfeast.plugin.training.retrieval import STEP, DuckDBRetrievalJob, TableVersions, check_room
from embfeast.plugin.training.workers_join import WorkersJoin
from embfeast.storage import Folder
from embfeast.tables.append import Appender
from embfeast.tables.as_of_join import (
    MOMENT,
    FeatureRelation,
    Spine,
    bytes_a_row,
    join_as_of,
    stream_as_of,
)
from embfeast.tables.columns import OWN_COLUMNS
from embfeast.tables.files import append_to_file, parquet_folder, rows_not_in, write_to_folder
from embfeast.tables.keys import exact_keys
from embfeast.tables.place import READ_ERRORS
from embfeast.tables.present_rows import PresentRows
from embfeast.tables.table import Table
from embfeast.texts import database
from embfeast.texts.database import literal, quote


class DuckDBOfflineStoreConfig(FeastConfigBaseModel):
    """The `offline_store` section of feature_store.yaml.

    Attributes
    ----------
    table_time : datetime or None
        Read feature tables as they were at that time: a training set is made again as it was,
        whatever was corrected since. None for as they are. Older versions are there for as long as
        ``kept_hours`` of the ``batch_engine`` says.
    export_location : str or None
        Where `to_remote_storage` writes: a folder, or ``s3://bucket/folder``, ``gs://…``, ``az://…``.
    """

    type: Literal[
        "embfeast.plugin.DuckDBOfflineStore",
        "embfeast.plugin.offline_store.DuckDBOfflineStore",
    ] = "embfeast.plugin.DuckDBOfflineStore"
    table_time: datetime | None = None
    export_location: str | None = None


class DuckDBOfflineStore(MonitoredStore):
    """Feast's offline store on DuckDB.

    Reads `DuckDBSource` and `FileSource` (a Delta table, or Parquet: a file, a folder of files, or
    a pattern), joins point-in-time natively, and appends rows whole or not at all.
    """

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: EntityFrame | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **kwargs: Any,
    ) -> DuckDBRetrievalJob:
        """Return the job that adds features to entity rows, as they were at each row's time.

        Parameters
        ----------
        entity_df : DataFrame, Arrow table, DuckDB relation, Path, str or None
            Rows; a Parquet file or a folder of them; a SELECT over the tables of the views' text
            databases; or None for every row of the views between ``start_date`` and ``end_date``.
        filter_by_created_timestamp : bool, default False
            Leave out what was not known yet at a row's time.
        **kwargs
            ``table_time``, as in `DuckDBOfflineStoreConfig`, for this request alone; others are as
            in Feast.

        Raises
        ------
        EmbfeastError
            A view compares requests with states of entities, which hold a row's own text.
        """
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        refuse_own_texts(on_demand)
        by_view = requested_features(feature_refs, feature_views, on_demand)
        period = None
        if entity_df is None:
            period = compute_non_entity_date_range(
                feature_views, start_date=kwargs.get("start_date"), end_date=kwargs.get("end_date")
            )
        at = kwargs.get("table_time") or table_time(config)
        tables = opened_tables(config, feature_views, at)
        outputs = output_names(by_view, on_demand, full_feature_names)
        entities = rows_of(config, feature_views, entity_df, period, tables, outputs)
        warn_of_hindsight(feature_views, entities.times)

        @contextmanager
        def joined(config: RepoConfig) -> Iterator[tuple[Any, Spine, list[FeatureRelation]]]:
            connection = database.connect_memory()
            try:
                relations = [
                    relation_of(connection, config, view, features, tables, full_feature_names)
                    for view, features in by_view.items()
                ]
                yield connection, entities.spine, relations
            except READ_ERRORS as error:
                raise _why_not(tables.values(), error) from error
            finally:
                connection.close()

        def evaluate() -> pa.Table:
            with joined(config) as (connection, spine, relations):
                check_room(len(spine) * bytes_a_row(relations))
                return join_as_of(
                    connection, spine, relations, only_known=filter_by_created_timestamp
                )

        def stream(folder: Path | None) -> Iterator[pa.Table]:
            with joined(config) as found:
                yield from stream_as_of(
                    *found, only_known=filter_by_created_timestamp, step=STEP, folder=folder
                )

        times = pc.min_max(entities.times).as_py()
        metadata = TableVersions(
            {name: table.version for name, table in tables.items()},
            features=feature_refs,
            keys=[name for name in entities.names if name != entities.event],
            min_event_timestamp=times["min"],
            max_event_timestamp=times["max"],
        )
        return DuckDBRetrievalJob(
            evaluate,
            config.repo_path,
            full_feature_names,
            on_demand,
            metadata,
            entities,
            stream=stream,
            exported_to=getattr(config.offline_store, "export_location", None),
            by_workers=WorkersJoin(
                config, entities, list(by_view), joined, filter_by_created_timestamp, STEP
            ).dataset,
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> DuckDBRetrievalJob:
        """Return the newest row of each key in a period."""
        return _pull(
            config,
            data_source,
            join_key_columns,
            feature_name_columns,
            timestamp_field,
            created_timestamp_column,
            start_date,
            end_date,
            latest=True,
        )

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> DuckDBRetrievalJob:
        """Return every row of a period; no feature names mean all columns."""
        return _pull(
            config,
            data_source,
            join_key_columns,
            feature_name_columns,
            timestamp_field,
            created_timestamp_column,
            start_date,
            end_date,
            latest=False,
        )

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> Iterable[tuple[str, str]]:
        """Return a source's columns; Feast looks for a Delta table in the working directory."""
        if isinstance(data_source, FileSource) and is_delta(data_source):
            table = Table.open(place_of(config, data_source.path))
            return [(name, str(table.schema.field(name).type)) for name in table.columns]
        columns: Iterable[tuple[str, str]]
        columns = super().get_table_column_names_and_types_from_data_source(config, data_source)
        return columns

    @staticmethod
    def offline_write_batch(
        config: RepoConfig,
        feature_view: FeatureView,
        table: pa.Table,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Append rows to a view's table, those that it has not got.

        Raises
        ------
        EmbfeastError
            The source is no Delta table, Parquet file or folder of such, or the columns are not its
            own.
        """
        source = feature_view.batch_source
        if not isinstance(source, FileSource):
            raise EmbfeastError(
                f"view {feature_view.name!r}: source {source.name!r} is read-only; write the "
                "texts into the database and materialize"
            )
        keys = [column.name for column in feature_view.entity_columns]
        times = [source.timestamp_field, source.created_timestamp_column]
        identity = [*keys, *(time for time in times if time)]
        # Of a frame whose index is not 0, 1, 2 Feast passes the index on.
        table = table.select([n for n in table.column_names if not n.startswith("__index_level_")])
        _check_widths(feature_view, table)
        if is_delta(source):
            stored = Table.open(place_of(config, source.path))
            table = _exact_identity(feature_view, table, keys, stored.schema)
            rows = _as_stored(feature_view.name, table, stored.columns, stored.schema)
            _append(stored, rows, identity, source.timestamp_field)
        else:
            path = Path(FileSource.get_uri_for_file_path(config.repo_path, source.path))
            files = [str(path)] if path.is_file() else parquet_folder(path)
            if not files:
                raise EmbfeastError(
                    f"view {feature_view.name!r}: {path} is no Parquet file and no folder of such; "
                    "rows can only be appended to one"
                )
            schema = pa.parquet.read_schema(files[0]).remove_metadata()
            rows = _as_stored(feature_view.name, table, schema.names, schema)
            if path.is_file():
                append_to_file(path, rows, identity)
            elif (rows := rows_not_in(files, rows, identity)).num_rows:
                write_to_folder(path, rows)
        if progress:
            progress(table.num_rows)

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,
        logging_config: LoggingConfig,
        registry: BaseRegistry,
    ) -> None:
        """Append logged features as one file of the destination's folder."""
        destination = logging_config.destination
        if not isinstance(destination, FileLoggingDestination):
            raise EmbfeastError(
                f"logged features go to FileLoggingDestination(path=...), not "
                f"{type(destination).__name__}"
            )
        if isinstance(data, Path):
            data = pa.parquet.read_table(data)
        write_to_folder(
            Folder(FileSource.get_uri_for_file_path(config.repo_path, destination.path)), data
        )


def _why_not(tables: Iterable[Table], error: Exception) -> EmbfeastError:
    """Name the damaged file, where there is one."""
    for table in tables:
        if table.damaged():
            return table.why_not(error)
    return EmbfeastError(f"offline store: {first_line(error)}")


def _check_widths(view: FeatureView, rows: pa.Table) -> None:
    """Refuse vectors that are not as wide as the view's feature."""
    for field in view.features:
        if "width" not in field.tags or field.name not in rows.column_names:
            continue
        column = rows[field.name]
        kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        if not any(fits(column.type) for fits in kinds):
            continue  # refused by its type, or all null
        widths = pc.list_value_length(column).to_pylist()
        want = int(field.tags["width"])
        for row, width in enumerate(widths):
            if width not in (None, want):
                raise EmbfeastError(
                    f"view {view.name!r}: row {row}: {field.name!r} has {width} numbers; the "
                    f"feature has {want}"
                )
        finite = pc.is_finite(pc.list_flatten(column).cast(pa.float64())).fill_null(False)
        if not pc.all(finite, min_count=0).as_py():  # pandas' NaN is Arrow's null
            raise EmbfeastError(f"view {view.name!r}: {field.name!r} has NaN or infinite numbers")


def _exact_identity(
    view: FeatureView, rows: pa.Table, keys: Sequence[str], schema: pa.Schema
) -> pa.Table:
    """Return rows with keys and times of a table's own types: equal exactly, or refused."""
    for number, name in enumerate(rows.column_names):
        where = f"view {view.name!r}: column {name!r}"
        try:
            if name in keys:
                column = exact_keys(rows[name], schema.field(name).type)
            elif name in schema.names and schema.field(name).type == MOMENT_TYPE:
                column = exact_moments(rows[name])
            else:
                continue
        except EmbfeastError as error:
            raise EmbfeastError(f"{where}: {error}") from error
        if column.null_count and name in (*keys, view.batch_source.timestamp_field):
            row = column.is_null().index(True).as_py()
            kind = "key" if name in keys else "time"
            raise EmbfeastError(f"{where}: row {row}: {rows[name][row].as_py()!r} is no {kind}")
        rows = rows.set_column(number, name, column)
    return rows


def _as_stored(view: str, rows: pa.Table, columns: list[str], schema: pa.Schema) -> pa.Table:
    """Return rows with the columns of a table; those of Delta know no nanoseconds."""
    if sorted(rows.column_names) != sorted(columns):
        raise EmbfeastError(
            f"view {view!r}: the rows have the columns {', '.join(rows.column_names)}; its table "
            f"has {', '.join(columns)}"
        )
    for field in schema:
        if field.name not in columns:  # the digest of a text, which these rows do not know
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    try:
        return rows.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise EmbfeastError(f"view {view!r}: {error}") from error


def _append(stored: Table, rows: pa.Table, identity: list[str], event: str) -> None:
    if rows.num_rows > rows.group_by(identity).aggregate([]).num_rows:
        raise EmbfeastError(f"{stored.place}: two rows have the same {', '.join(identity)}")
    appender = Appender(stored, identity, event)
    present = PresentRows(stored, identity, event=event)
    lacking = present.lacking(rows.select(identity))
    present.close()
    appender.append(rows.filter(pa.array(lacking)))


def _pull(
    config: RepoConfig,
    source: DataSource,
    keys: list[str],
    features: list[str],
    event: str,
    created: str | None,
    start: datetime | None,
    end: datetime | None,
    *,
    latest: bool,
) -> DuckDBRetrievalJob:
    def evaluate() -> pa.Table:
        connection = database.connect_memory()
        try:
            scan = scan_of(connection, config, source, "pulled")
            hidden = ["filename", "file_row_number"]
            if isinstance(source, FileSource) and is_delta(source):
                hidden += OWN_COLUMNS
            times = [column for column in (event, created) if column]
            check_columns(connection, scan, source.name, key=keys, feature=features, time=times)
            wanted = [*keys, *features, *times] if features else ["*"]
            names = [
                quote(c) if c != "*" else f"COLUMNS(lambda c: c NOT IN {tuple(hidden)})"
                for c in dict.fromkeys(wanted)
            ]
            if not keys:
                names.append(f"{literal(DUMMY_ENTITY_VAL)} AS {quote(DUMMY_ENTITY_ID)}")
            moment = f"CAST({quote(event)} AS {MOMENT})"
            where, values = ["true"], {}
            for bound, sign, value in (("start", ">=", start), ("end", "<=", end)):
                if value is not None:
                    where.append(f"{moment} {sign} ${bound}")
                    values[bound] = value if value.tzinfo else value.replace(tzinfo=UTC)
            newest = ""
            if latest:
                order = ", ".join(
                    [
                        *(f"{quote(t)} DESC NULLS LAST" for t in times),
                        "filename DESC",
                        "file_row_number DESC",
                    ]
                )
                by = f"PARTITION BY {', '.join(map(quote, keys))} " if keys else ""
                newest = f"QUALIFY row_number() OVER ({by}ORDER BY {order}) = 1"
            sql = f"SELECT {', '.join(names)} FROM {scan} WHERE {' AND '.join(where)} {newest}"
            rows: pa.Table = run_query(connection, sql, values).to_arrow_table()
            return rows.combine_chunks()
        finally:
            connection.close()

    return DuckDBRetrievalJob(evaluate, config.repo_path)
