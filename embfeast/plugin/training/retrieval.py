"""The job that answers a historical query when its result is asked for."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import FileSource, OnDemandFeatureView
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import (
    RetrievalJob,
    RetrievalMetadata,
)
from feast.saved_dataset import SavedDatasetStorage

from embfeast.errors import EmbfeastError
from embfeast.plugin.training.entity_rows import EntityRows
from embfeast.plugin.training.free_memory import free_bytes
from embfeast.storage import Folder, exists, is_local, refused, remove_file
from embfeast.tables.files import ROW_GROUP, parquet_folder, write_file, write_to_folder
from embfeast.tables.place import Place

# Rows in memory at a time, and as many slices as make a file of an export. They are whole row
# groups, so that a file is as one that was written at once.
STEP = 2 * ROW_GROUP
SLICES_A_FILE = 16


class TableVersions(RetrievalMetadata):
    """What was asked, and of which versions of the feature tables.

    Attributes
    ----------
    table_versions : dict of int
        By view.
    """

    def __init__(self, versions: dict[str, int], **asked: Any) -> None:
        super().__init__(**asked)
        self.table_versions = versions


class DuckDBRetrievalJob(RetrievalJob):
    """A query that runs when its result is asked for.

    Parameters
    ----------
    evaluate : callable
        Returns the features as an Arrow table, without on-demand ones.
    repo : Path or None
        The feature repository, to which a saved dataset's path is relative.
    full_feature_names : bool
    on_demand_feature_views : sequence of OnDemandFeatureView
    metadata : RetrievalMetadata, optional
    entities : EntityRows, optional
        Rows that the features belong to.
    stream : callable, optional
        Yields in slices of `STEP` rows what `evaluate` returns, given the folder in which rows are
        put aside; None for the machine's folder of temporary files.
    exported_to : str or None
        Where `to_remote_storage` writes.
    by_workers : callable, optional
        `WorkersJoin.dataset`: the result as the workers of a Ray cluster find it.
    """

    def __init__(
        self,
        evaluate: Callable[[], pa.Table],
        repo: Path | None,
        full_feature_names: bool = False,
        on_demand_feature_views: Sequence[OnDemandFeatureView] = (),
        metadata: RetrievalMetadata | None = None,
        entities: EntityRows | None = None,
        *,
        stream: Callable[[Path | None], Iterator[pa.Table]] | None = None,
        exported_to: str | None = None,
        by_workers: Callable[..., Any] | None = None,
    ) -> None:
        self._evaluate = evaluate
        self._entities = entities
        self._repo = repo
        self._full_feature_names = full_feature_names
        self._on_demand_feature_views = list(on_demand_feature_views)
        self._metadata = metadata
        self._stream = stream or self._sliced
        self._exported_to = exported_to
        self._by_workers = by_workers

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
        made = self._evaluate()
        return self._entities.with_features(made) if self._entities else made

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        made = self._evaluate()
        return self._entities.frame_with_features(made) if self._entities else made.to_pandas()

    def to_arrow_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield what `to_arrow` returns, a slice at a time: little more is ever in memory.

        On-demand views are given a slice at a time too.
        """
        for table in self._slices():
            none = pa.RecordBatch.from_pylist([], schema=table.schema)
            yield from table.combine_chunks().to_batches() or [none]

    def to_ray_dataset(self) -> Any:
        """Return the result as a Ray dataset, joined by the workers of the cluster.

        What they cannot join is joined here, and put into Ray's object store a slice at a time.
        """
        import ray.data

        if self._by_workers:
            views, asked = self._on_demand_feature_views, self._metadata
            made = self._by_workers(ray, views, asked, self._full_feature_names)
            if made is not None:
                return made
        return ray.data.from_arrow_refs([ray.put(table) for table in self._slices()])

    def persist(
        self,
        storage: SavedDatasetStorage,
        allow_overwrite: bool = False,
        timeout: int | None = None,
    ) -> None:
        """Write the result as a Parquet file, or as the only one of a folder, a slice at a time.

        Raises
        ------
        SavedDatasetLocationAlreadyExists
            The place is taken and may not be overwritten.
        EmbfeastError
            The storage is no Parquet file or folder, or it cannot be written.
        """
        if not isinstance(storage, SavedDatasetFileStorage):
            raise EmbfeastError(
                f"a saved dataset goes into SavedDatasetFileStorage(path), not "
                f"{type(storage).__name__}"
            )
        uri = FileSource.get_uri_for_file_path(self._repo, storage.file_options.uri)
        try:
            if _is_taken(uri) and not allow_overwrite:
                raise SavedDatasetLocationAlreadyExists(location=uri)
            self._write(uri)
        except OSError as error:
            raise refused(f"saved dataset {uri}", error) from error

    def _write(self, uri: str) -> None:
        folder, name, stale = Folder(uri), "", []
        if uri.endswith(".parquet"):
            above, _, name = uri.rpartition("/")
            folder = Folder(above or ".")
        else:
            stale = parquet_folder(folder)
        write_to_folder(folder, self._slices(folder.path if folder.is_local else None), name)
        for file in stale:
            remove_file(file)

    def supports_remote_storage_export(self) -> bool:
        """Tell whether there is an ``export_location``."""
        return self._exported_to is not None

    def to_remote_storage(self) -> list[str]:
        """Write the result as Parquet files of a new folder, a slice at a time; return their paths.

        Raises
        ------
        EmbfeastError
            The store has no ``export_location``, or it cannot be written.
        """
        if self._exported_to is None:
            raise EmbfeastError(
                "there is no place to export to",
                "set export_location in the offline_store of feature_store.yaml",
            )
        place = Place(f"{self._exported_to.rstrip('/')}/{uuid.uuid4().hex}")
        if place.is_local:
            place = Place(str(Path(self._repo or ".") / place.path))
        slices = self._slices()
        return [
            write_file(place, chain([first], islice(slices, SLICES_A_FILE - 1))).path
            for first in slices
        ]

    def _slices(self, folder: Path | None = None) -> Iterator[pa.Table]:
        """Yield the result with on-demand features, all slices of one schema."""
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        slices = self._stream(folder)
        schema = None
        for table in self._entities.beside(slices) if self._entities else slices:
            made = self._with_on_demand(table)
            schema = schema or made.schema
            yield made if made.schema == schema else made.cast(schema)

    def _with_on_demand(self, table: pa.Table) -> pa.Table:
        views, asked = self._on_demand_feature_views, self._metadata
        return with_on_demand(table, views, asked, self._full_feature_names) if views else table

    def _sliced(self, _: Path | None) -> Iterator[pa.Table]:
        table = self._evaluate()
        for start in range(0, max(table.num_rows, 1), STEP):
            yield table.slice(start, STEP)


def with_on_demand(
    table: pa.Table,
    views: Sequence[OnDemandFeatureView],
    asked: RetrievalMetadata | None,
    full_names: bool,
) -> pa.Table:
    """Return a table with the features of on-demand views."""
    made: pa.Table = DuckDBRetrievalJob(lambda: table, None, full_names, views, asked).to_arrow()
    return made


def _is_taken(uri: str) -> bool:
    if is_local(uri):
        return Path(uri).exists()
    return exists(uri) or bool(Folder(uri).names())


def check_room(needed: float) -> None:
    """Refuse a training set that is larger than the memory that is free.

    Parameters
    ----------
    needed : float
        Bytes.
    """
    if needed > (free := free_bytes()):
        raise EmbfeastError(
            f"the training set would take {needed / 2**30:.1f} GiB of memory, and "
            f"{free / 2**30:.1f} GiB are free",
            "write it with persist() or to_remote_storage(), read it with to_arrow_batches(), or "
            "ask for fewer rows or features",
        )
