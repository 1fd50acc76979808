"""What embfeast's views say about themselves, and the offline table that follows from it.

A view computed by a recipe carries tags: the recipe's digest, the entry it serves and the prefix
of its names. Engine and provider need nothing else, so they also work on views that were read
back from the registry.
"""

from dataclasses import dataclass

import pyarrow as pa
from feast import BatchFeatureView, FeatureView, FileSource
from feast.repo_config import RepoConfig
from feast.types import from_feast_to_pyarrow_type

from embfeast.errors import EmbfeastError
from embfeast.plugin import feast_compat  # noqa: F401 - silences Feast before a view is made
from embfeast.plugin.source import DuckDBSource
from embfeast.tables.columns import (
    CREATED_TIME,
    ENTITY,
    ENTITY_VECTOR,
    EVENT_TIME,
    MOMENT,
    TEXT_DIGEST,
)
from embfeast.tables.place import Place
from embfeast.tables.table import Table, ensure_table

DIGEST_TAG = "embfeast.digest"
ENTRY_TAG = "embfeast.entry"
PREFIX_TAG = "embfeast.prefix"
RECIPE_TAG = "embfeast.recipe"
AS_OF_TAG = "embfeast.as_of"
# The column of the source that says who wrote a text, on a view of what they wrote before.
ENTITY_TAG = "embfeast.entity"
# The path of the table of such a view, on the view of its entities' states, which follow from it.
STATES_TAG = "embfeast.states_of"
# On the view of a request's text against such a state: the view of stored texts to train on.
TRAIN_ON_TAG = "embfeast.train_on"
# "false" on a view whose recipe entry is kept for training alone. Feast itself leaves out of a
# materialization what is not online, so the view stays online and the engine skips that half.
ONLINE_TAG = "embfeast.online"


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
    place : Place
        Where the table lies.
    source : DuckDBSource
        Where the texts lie.
    entity : str or None
        The source's column of who wrote a text, where features depend on what they wrote before.
    history : Place or None
        Of states of entities: the table of what these wrote, which they follow from.
    """

    view: str
    digest: str
    entry: str
    prefix: str
    source_keys: tuple[str, ...]
    keys: tuple[str, ...]
    schema: pa.Schema
    place: Place
    source: DuckDBSource
    entity: str | None = None
    history: Place | None = None

    @property
    def digest_column(self) -> str:
        """Name of the feature that names the digest of each row."""
        return f"{self.view}_digest"

    @property
    def identity(self) -> list[str]:
        """The columns that together name a row: keys, event and created time."""
        return [*self.keys, EVENT_TIME, CREATED_TIME]

    @property
    def stored_schema(self) -> pa.Schema:
        """The columns as they are stored: the view's, and the digest of each row's text.

        Where rows depend on what the same entity wrote before, also who that is, and the vector
        that later rows are compared with.
        """
        schema = self.schema.append(pa.field(TEXT_DIGEST, pa.binary()))
        if self.entity:
            schema = schema.append(pa.field(ENTITY, pa.string()))
            schema = schema.append(pa.field(ENTITY_VECTOR, pa.list_(pa.float32())))
        return schema

    @property
    def described_schema(self) -> pa.Schema:
        """The columns as they are stored, each with a comment for those who read the table."""
        said = {
            EVENT_TIME: "When the text became true, UTC, microseconds",
            CREATED_TIME: "When the text was known, UTC, microseconds",
            self.digest_column: "Digest (SHA-256) of the recipe that computed the row",
            TEXT_DIGEST: "SHA-256 of the text; null where it is missing or not known",
        }
        if self.entity:
            said |= {
                TEXT_DIGEST: "SHA-256 of the text, then one of what its entity wrote before",
                ENTITY: f"Who wrote the text, column {self.entity!r} of the texts",
                ENTITY_VECTOR: "Vector of the text, that later texts are compared with",
            }
        if self.history:
            said |= {
                EVENT_TIME: "The moment after whose texts the state is, UTC, microseconds",
                CREATED_TIME: "When the last of the texts up to then was known, UTC, microseconds",
                TEXT_DIGEST: "Digest of all that the entity wrote up to that moment",
            }
        keys = zip(self.keys, self.source_keys, strict=True)
        said |= {key: f"Key, column {own!r} of the texts" for key, own in keys}
        feature = f"Feature of recipe entry {self.entry!r}, no unit; null where the text is missing"
        return pa.schema(
            [f.with_metadata({"comment": said.get(f.name, feature)}) for f in self.stored_schema]
        )

    @property
    def about(self) -> dict[str, str]:
        """What the stored table says of itself."""
        return {
            "name": self.view,
            "description": f"Features {self.entry!r} of recipe {self.digest}, computed by embfeast "
            f"of the texts of {self.source.name}; a row a key, event and created time",
        }

    def ensure(self) -> tuple[Table, bool]:
        """Open the table, made without rows where there is none; tell whether it was made now."""
        return ensure_table(self.place, self.described_schema, self.about)


def place_of(config: RepoConfig, path: str) -> Place:
    """Return a path of a view, which is relative to the feature repository, or a URI."""
    return Place(FileSource.get_uri_for_file_path(config.repo_path, path))


def is_ours(view: object) -> bool:
    """Tell whether a view is computed by a recipe."""
    return isinstance(view, BatchFeatureView | FeatureView) and DIGEST_TAG in (view.tags or {})


def has_states(view: FeatureView) -> bool:
    """Tell whether a view's rows are states of entities, not features of texts."""
    return STATES_TAG in view.tags


def is_served(view: FeatureView) -> bool:
    """Tell whether a view's features go into the online store."""
    return bool(view.online) and view.tags.get(ONLINE_TAG) != "false"


def feature_table(view: FeatureView, config: RepoConfig) -> FeatureTable:
    """Read a view's tags, schema and sources."""
    source = view.source_views[0].batch_source if view.source_views else None
    if not isinstance(source, DuckDBSource) or not isinstance(view.batch_source, FileSource):
        raise EmbfeastError(
            f"view {view.name!r} has the tag {DIGEST_TAG} but no text source and feature table",
            "make it with embfeast.plugin.feature_views",
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
        place=place_of(config, view.batch_source.path),
        source=source,
        entity=view.tags.get(ENTITY_TAG),
        history=place_of(config, history) if (history := view.tags.get(STATES_TAG)) else None,
    )


def _schema(view: FeatureView) -> pa.Schema:
    times = [pa.field(EVENT_TIME, MOMENT), pa.field(CREATED_TIME, MOMENT)]
    keys = [pa.field(f.name, from_feast_to_pyarrow_type(f.dtype)) for f in view.entity_columns]
    features = [pa.field(f.name, from_feast_to_pyarrow_type(f.dtype)) for f in view.features]
    return pa.schema([*keys, *times, *features])
