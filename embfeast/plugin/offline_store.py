"""The offline store: training sets from DuckDB tables and Parquet parts, by DuckDB."""

import glob
import warnings
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView, FileSource, OnDemandFeatureView
from feast.data_source import DataSource
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import (
    OfflineStore,
    RetrievalJob,
    RetrievalMetadata,
)
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.saved_dataset import SavedDatasetStorage
from feast.utils import (
    _get_requested_feature_views_to_features_dict,
    compute_non_entity_date_range,
)

from embfeast.errors import EmbfeastError
from embfeast.plugin import database, parts
from embfeast.plugin.database import literal, quote
from embfeast.plugin.feature_table import AS_OF_TAG, DIGEST_TAG, RECIPE_TAG
from embfeast.plugin.point_in_time import MOMENT, FeatureRelation, join_as_of
from embfeast.plugin.source import DuckDBSource

EVENT = "event_timestamp"
_said_hindsight: set[str] = set()


class DuckDBOfflineStoreConfig(FeastConfigBaseModel):
    """The `offline_store` section of feature_store.yaml."""

    type: Literal[
        "embfeast.plugin.DuckDBOfflineStore",
        "embfeast.plugin.offline_store.DuckDBOfflineStore",
    ] = "embfeast.plugin.DuckDBOfflineStore"


class DuckDBRetrievalJob(RetrievalJob):
    """A query that runs when its result is asked for.

    Parameters
    ----------
    evaluate : callable
        Returns the result as an Arrow table, without on-demand features.
    repo : Path or None
        The feature repository, to which a saved dataset's path is relative.
    full_feature_names : bool
    on_demand_feature_views : sequence of OnDemandFeatureView
    metadata : RetrievalMetadata, optional
    """

    def __init__(
        self,
        evaluate: Callable[[], pa.Table],
        repo: Path | None,
        full_feature_names: bool = False,
        on_demand_feature_views: Sequence[OnDemandFeatureView] = (),
        metadata: RetrievalMetadata | None = None,
    ) -> None:
        self._evaluate = evaluate
        self._repo = repo
        self._full_feature_names = full_feature_names
        self._on_demand_feature_views = list(on_demand_feature_views)
        self._metadata = metadata

    @property
    def full_feature_names(self) -> bool:
        """Whether features are named ``view__feature``."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Views whose features Feast adds to the result."""
        return self._on_demand_feature_views

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """What was asked, for saved datasets."""
        return self._metadata

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._evaluate()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._evaluate().to_pandas()

    def persist(
        self,
        storage: SavedDatasetStorage,
        allow_overwrite: bool = False,
        timeout: int | None = None,
    ) -> None:
        """Write the result as a Parquet file, or as a part of a folder.

        Raises
        ------
        SavedDatasetLocationAlreadyExists
            The place is taken and may not be overwritten.
        EmbfeastError
            The storage is no Parquet file or folder on this machine.
        """
        if not isinstance(storage, SavedDatasetFileStorage):
            raise EmbfeastError(
                f"a saved dataset goes into SavedDatasetFileStorage(path), not "
                f"{type(storage).__name__}"
            )
        path = Path(FileSource.get_uri_for_file_path(self._repo, storage.file_options.uri))
        if path.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=str(path))
        table = self.to_arrow()
        if path.suffix == ".parquet":
            parts.write_part(path.parent, table, path.name)
            return
        stale = parts.parts(path)
        written = parts.write_part(path, table)
        for part in stale:
            if part != written:
                part.unlink()


class DuckDBOfflineStore(OfflineStore):
    """Feast's offline store on DuckDB.

    Reads `DuckDBSource` and Parquet `FileSource` (a file, a folder of parts, or a pattern), joins
    point-in-time natively, and writes Parquet parts that appear whole or not at all.
    """

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **kwargs: Any,
    ) -> DuckDBRetrievalJob:
        """Return the job that adds features to entity rows, as they were at each row's time.

        Parameters
        ----------
        entity_df : DataFrame, str or None
            Rows; a SELECT over the tables of the views' text databases; or None for every row
            of the views between ``start_date`` and ``end_date``.
        filter_by_created_timestamp : bool, default False
            Leave out what was not known yet at a row's time.

        Others are as in Feast.
        """
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        by_view, _ = _get_requested_feature_views_to_features_dict(
            feature_refs, feature_views, on_demand
        )
        period = None
        if entity_df is None:
            period = compute_non_entity_date_range(
                feature_views, start_date=kwargs.get("start_date"), end_date=kwargs.get("end_date")
            )
        entities, event = _entities(config, feature_views, entity_df, period)
        _warn_of_hindsight(feature_views, entities[event])

        def evaluate() -> pa.Table:
            connection = database.connect_memory()
            try:
                relations = [
                    _relation(connection, config, view, features, full_feature_names)
                    for view, features in by_view.items()
                ]
                return join_as_of(
                    connection, entities, event, relations, only_known=filter_by_created_timestamp
                )
            except (duckdb.Error, OSError, pa.ArrowException) as error:
                raise _why_not(config, by_view, error) from error
            finally:
                connection.close()

        times = pc.min_max(entities[event]).as_py()
        metadata = RetrievalMetadata(
            features=feature_refs,
            keys=[name for name in entities.column_names if name != event],
            min_event_timestamp=times["min"],
            max_event_timestamp=times["max"],
        )
        return DuckDBRetrievalJob(
            evaluate, config.repo_path, full_feature_names, on_demand, metadata
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

    @staticmethod
    def offline_write_batch(
        config: RepoConfig,
        feature_view: FeatureView,
        table: pa.Table,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Append rows to a view's feature table as one part; rows that are there stay single.

        Raises
        ------
        EmbfeastError
            The source is no folder of Parquet parts, or the columns are not its own.
        """
        source = feature_view.batch_source
        if not isinstance(source, FileSource):
            raise EmbfeastError(
                f"view {feature_view.name!r}: source {source.name!r} is read-only; write the "
                "texts into the database and materialize"
            )
        folder = Path(FileSource.get_uri_for_file_path(config.repo_path, source.path))
        stored = parts.table_schema(folder)
        if stored is None:
            raise EmbfeastError(
                f"view {feature_view.name!r}: {folder} is no folder of Parquet parts; rows can "
                "only be appended to one"
            )
        if sorted(table.column_names) != sorted(stored.names):
            raise EmbfeastError(
                f"view {feature_view.name!r}: the rows have the columns "
                f"{', '.join(table.column_names)}; its feature table has {', '.join(stored.names)}"
            )
        try:
            table = table.select(stored.names).cast(stored)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise EmbfeastError(f"view {feature_view.name!r}: {error}") from error
        keys = [column.name for column in feature_view.entity_columns]
        times = [source.timestamp_field, source.created_timestamp_column]
        identity = [*keys, *(time for time in times if time)]
        lacking = parts.lacking_rows(folder, table.select(identity), source.timestamp_field)
        if lacking.any():
            parts.write_part(folder, table.filter(pa.array(lacking)))
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
        """Append logged features as one part of the destination's folder."""
        destination = logging_config.destination
        if not isinstance(destination, FileLoggingDestination):
            raise EmbfeastError(
                f"logged features go to FileLoggingDestination(path=...), not "
                f"{type(destination).__name__}"
            )
        if isinstance(data, Path):
            data = pa.parquet.read_table(data)
        parts.write_part(
            Path(FileSource.get_uri_for_file_path(config.repo_path, destination.path)), data
        )


def _why_not(config: RepoConfig, views: Iterable[FeatureView], error: Exception) -> EmbfeastError:
    """Name the damaged part, where there is one."""
    for view in views:
        source = view.batch_source
        if isinstance(source, FileSource):
            folder = Path(FileSource.get_uri_for_file_path(config.repo_path, source.path))
            if any(not parts.is_readable(part) for part in parts.parts(folder)):
                return parts.why_not(folder, error)
    return EmbfeastError(f"offline store: {str(error).splitlines()[0]}")


def _warn_of_hindsight(views: Sequence[FeatureView], times: pa.ChunkedArray) -> None:
    """Say once a recipe that it was fitted on texts later than the oldest entity row."""
    earliest = pc.min(times).as_py()
    for view in views:
        digest, as_of = view.tags.get(DIGEST_TAG), view.tags.get(AS_OF_TAG)
        if not digest or not as_of or earliest is None or digest in _said_hindsight:
            continue
        if earliest < datetime.fromisoformat(as_of):
            _said_hindsight.add(digest)
            warnings.warn(
                f"recipe {view.tags.get(RECIPE_TAG)!r} ({digest[:12]}) was fitted on texts up to "
                f"{as_of}, and entity rows begin at {earliest.isoformat()}: its transforms have "
                "seen texts that are later than those rows. Score models on rows after that time",
                stacklevel=4,
            )


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
            scan = _scan(connection, config, source, "pulled")
            times = [column for column in (event, created) if column]
            wanted = [*keys, *features, *times] if features else ["*"]
            names = [
                quote(c) if c != "*" else "* EXCLUDE (filename, file_row_number)"
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
            sql = (
                f"SELECT {', '.join(names)} FROM {scan} "  # noqa: S608
                f"WHERE {' AND '.join(where)} {newest}"
            )
            return _run(connection, sql, values).to_arrow_table().combine_chunks()
        finally:
            connection.close()

    return DuckDBRetrievalJob(evaluate, config.repo_path)


def _relation(
    connection: duckdb.DuckDBPyConnection,
    config: RepoConfig,
    view: FeatureView,
    features: list[str],
    full_names: bool,
) -> FeatureRelation:
    source = view.batch_source
    shown = view.projection.name_to_use()
    own = {mapped: column for column, mapped in (source.field_mapping or {}).items()}
    renamed = view.projection.join_key_map
    files = _files(config, source) if isinstance(source, FileSource) else []
    if files:
        scan = parts.scan_files_sql(files, row_ids=True)
    else:
        scan = _scan(connection, config, source, f"view_{view.name}")
    return FeatureRelation(
        view=view.name,
        scan=scan,
        files=tuple(files),
        keys=tuple(
            (renamed.get(column.name, column.name), own.get(column.name, column.name))
            for column in view.entity_columns
            if column.name != DUMMY_ENTITY_ID
        ),
        event=own.get(source.timestamp_field, source.timestamp_field),
        created=own.get(source.created_timestamp_column, source.created_timestamp_column) or None,
        features=tuple(
            (own.get(name, name), f"{shown}__{name}" if full_names else name)
            for name in dict.fromkeys(features)
        ),
        ttl=view.ttl or None,
    )


def _scan(
    connection: duckdb.DuckDBPyConnection, config: RepoConfig, source: DataSource, name: str
) -> str:
    """Return what stands after FROM, with row positions."""
    if isinstance(source, DuckDBSource):
        # Copied out, so that a query's own table names cannot meet those of another source.
        with database.open_text_database(source.path(config.repo_path)) as texts:
            rows = _run(texts, f"SELECT * FROM {source.get_table_query_string()}").to_arrow_table()  # noqa: S608
        rows = rows.append_column("filename", pa.array([""] * rows.num_rows))
        rows = rows.append_column("file_row_number", pa.array(np.arange(rows.num_rows)))
        connection.register(name, rows)
        return quote(name)
    if isinstance(source, FileSource):
        return parts.scan_files_sql(_files(config, source), row_ids=True)
    raise EmbfeastError(
        f"source {source.name!r} is a {type(source).__name__}; this offline store reads "
        "DuckDBSource and Parquet FileSource"
    )


def _files(config: RepoConfig, source: FileSource) -> list[str]:
    """Return the Parquet files of a source, in the order of their names."""
    uri = FileSource.get_uri_for_file_path(config.repo_path, source.path)
    if "://" in uri:
        raise EmbfeastError(f"source {source.name!r}: {uri} is not on this machine's file system")
    path = Path(uri)
    if path.is_dir():
        return parts.files(path)
    found = [uri] if path.is_file() else sorted(glob.glob(uri, recursive=True))  # noqa: PTH207
    if not found:
        raise EmbfeastError(f"source {source.name!r}: there is no file {uri}")
    return found


def _entities(
    config: RepoConfig,
    views: list[FeatureView],
    entity_df: pd.DataFrame | str | None,
    period: tuple[datetime, datetime] | None,
) -> tuple[pa.Table, str]:
    """Return the entity rows, with times in UTC, and the name of their time column."""
    if period is not None:
        return _all_rows(config, views, *period), EVENT
    rows = _entity_query(config, views, entity_df) if isinstance(entity_df, str) else entity_df
    if not isinstance(rows, pd.DataFrame):
        raise EmbfeastError(
            f"entity_df is a {type(rows).__name__}; give a pandas DataFrame or a SELECT"
        )
    event = infer_event_timestamp_from_entity_df(dict(rows.dtypes))
    rows = rows.reset_index(drop=True)
    try:
        times = pd.to_datetime(rows[event], utc=True).astype("datetime64[us, UTC]")
    except (ValueError, TypeError) as error:
        raise EmbfeastError(f"entity_df: column {event!r} holds no times: {error}") from error
    if times.isna().any():
        raise EmbfeastError(
            f"entity_df: {int(times.isna().sum())} rows have no {event!r}; drop them, or give "
            "them a time"
        )
    return pa.Table.from_pandas(rows.assign(**{event: times}), preserve_index=False), event


def _all_rows(
    config: RepoConfig, views: list[FeatureView], start: datetime, end: datetime
) -> pa.Table:
    """Return every key and time at which one of the views has a row in the period."""
    connection = database.connect_memory()
    try:
        keys = list(dict.fromkeys(key for view in views for key in _join_keys(view)))
        selects = []
        for view in views:
            own = _relation(connection, config, view, [], full_names=False)
            by_entity = dict(own.keys)
            columns = [
                f"{quote(by_entity[key])} AS {quote(key)}"
                if key in by_entity
                else f"NULL AS {quote(key)}"
                for key in keys
            ]
            event = f"CAST({quote(own.event)} AS {MOMENT}) AS {EVENT}"
            selects.append(f"SELECT {', '.join([*columns, event])} FROM {own.scan}")  # noqa: S608
        order = ", ".join([EVENT, *map(quote, keys)])
        sql = (
            f"SELECT * FROM ({' UNION '.join(selects)}) "  # noqa: S608
            f"WHERE {EVENT} BETWEEN $start AND $end ORDER BY {order}"
        )
        return _run(connection, sql, {"start": start, "end": end}).to_arrow_table()
    finally:
        connection.close()


def _join_keys(view: FeatureView) -> list[str]:
    renamed = view.projection.join_key_map
    names = [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    return [renamed.get(name, name) for name in names]


def _entity_query(config: RepoConfig, views: list[FeatureView], sql: str) -> pd.DataFrame:
    """Run a SELECT over the text databases of the views, which are attached read-only."""
    sources = [view.batch_source for view in views]
    sources += [up.batch_source for view in views for up in view.source_views or []]
    paths = {s.path(config.repo_path) for s in sources if isinstance(s, DuckDBSource)}
    if len(paths) != 1:
        raise EmbfeastError(
            f"entity_df is SQL, which needs views over one text database; these have {len(paths)}"
        )
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise EmbfeastError(f"entity_df: {str(error).splitlines()[0]}") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise EmbfeastError("entity_df: give one SELECT")
    with database.open_text_database(paths.pop()) as connection:
        database.keep_inside(connection)
        return _run(connection, sql).df()


def _run(
    connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any] | None = None
) -> Any:
    try:
        return connection.sql(sql, params=values or {})
    except duckdb.Error as error:
        raise EmbfeastError(f"offline store: {str(error).splitlines()[0]}") from error
