"""What embfeast's views say about themselves, and the offline table that follows from it.

A view computed by a recipe carries tags: the recipe's digest, the entry it serves and the prefix
of its names. Engine and provider need nothing else, so they also work on views that were read
back from the registry.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from feast import BatchFeatureView, FeatureView, FileSource
from feast.repo_config import RepoConfig
from feast.types import from_feast_to_pyarrow_type

from embfeast.errors import EmbfeastError
from embfeast.plugin.source import DuckDBSource

DIGEST_TAG = "embfeast.digest"
ENTRY_TAG = "embfeast.entry"
PREFIX_TAG = "embfeast.prefix"
RECIPE_TAG = "embfeast.recipe"
AS_OF_TAG = "embfeast.as_of"
# "false" on a view whose recipe entry is kept for training alone. Feast itself leaves out of a
# materialization what is not online, so the view stays online and the engine skips that half.
ONLINE_TAG = "embfeast.online"

EVENT_TIME = "event_timestamp"
CREATED_TIME = "created_timestamp"
MOMENT = pa.timestamp("us", tz="UTC")

# Feast says at every load that these kinds of view are young and, where the client of Milvus is
# installed, something of its own settings. embfeast is built on them and pinned to a version of
# Feast; its users can do nothing about it.
for message in (
    "Batch feature views are experimental",
    "On demand feature view is an experimental",
    'Field name "vector_enabled" in "MilvusOnlineStoreConfig" shadows',
):
    warnings.filterwarnings("ignore", message=message)


@dataclass(frozen=True)
class FeatureTable:
    """The offline table of a view.

    Attributes
    ----------
    view : str
    digest : str
        Of the recipe that computes it.
    entry : str
        Of the recipe.
    prefix : str
        Put before the names of keys and features; empty but for the view of a pair's other text.
    source_keys, keys : tuple of str
        The key columns in the text source and in this table.
    schema : pyarrow.Schema
        Keys, event and created time, features, digest.
    path : str
        Folder of the table's parts as the view names it, relative to the feature repository.
    source : DuckDBSource
        Where the texts lie.
    """

    view: str
    digest: str
    entry: str
    prefix: str
    source_keys: tuple[str, ...]
    keys: tuple[str, ...]
    schema: pa.Schema
    path: str
    source: DuckDBSource

    @property
    def digest_column(self) -> str:
        """Name of the feature that names the digest of each row."""
        return f"{self.view}_digest"

    @property
    def identity(self) -> list[str]:
        """The columns that together name a row: keys, event and created time."""
        return [*self.keys, EVENT_TIME, CREATED_TIME]

    def folder(self, config: RepoConfig) -> Path:
        """Return the folder of the table's parts."""
        return Path(FileSource.get_uri_for_file_path(config.repo_path, self.path))


def is_ours(view: object) -> bool:
    """Tell whether a view is computed by a recipe."""
    return isinstance(view, BatchFeatureView | FeatureView) and DIGEST_TAG in (view.tags or {})


def is_served(view: FeatureView) -> bool:
    """Tell whether a view's features go into the online store."""
    return bool(view.online) and view.tags.get(ONLINE_TAG) != "false"


def feature_table(view: FeatureView) -> FeatureTable:
    """Read a view's tags, schema and sources.

    Raises
    ------
    EmbfeastError
        The view was not made by `feature_views`, or was changed afterwards.
    """
    source = view.source_views[0].batch_source if view.source_views else None
    if not isinstance(source, DuckDBSource) or not isinstance(view.batch_source, FileSource):
        raise EmbfeastError(
            f"view {view.name!r} has the tag {DIGEST_TAG} but no text source and feature table; "
            "make it with embfeast.plugin.feature_views"
        )
    prefix = view.tags.get(PREFIX_TAG, "")
    keys = tuple(field.name for field in view.entity_columns)
    return FeatureTable(
        view=view.name,
        digest=view.tags[DIGEST_TAG],
        entry=view.tags[ENTRY_TAG],
        prefix=prefix,
        source_keys=tuple(key.removeprefix(prefix) for key in keys),
        keys=keys,
        schema=_schema(view),
        path=view.batch_source.path,
        source=source,
    )


def _schema(view: FeatureView) -> pa.Schema:
    times = [pa.field(EVENT_TIME, MOMENT), pa.field(CREATED_TIME, MOMENT)]
    keys = [pa.field(f.name, from_feast_to_pyarrow_type(f.dtype)) for f in view.entity_columns]
    features = [pa.field(f.name, from_feast_to_pyarrow_type(f.dtype)) for f in view.features]
    return pa.schema([*keys, *times, *features])
