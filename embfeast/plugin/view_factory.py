"""How the views of one recipe are made for Feast: their schema, tables, tags and functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from feast import BatchFeatureView, Entity, FeatureView, Field, FileSource, OnDemandFeatureView
from feast.data_format import DeltaFormat
from feast.feature_view import DUMMY_ENTITY_ID
from feast.transformation.mode import TransformationMode
from feast.transformation.python_transformation import PythonTransformation
from feast.transformation.ray_transformation import RayTransformation
from feast.transformation.udf_rehydrate import rehydrate_udf_from_source
from feast.types import Array, FeastType, Float32, Float64, Int64, String, from_value_type
from feast.value_type import ValueType

from embfeast.errors import EmbfeastError
from embfeast.plugin.feast_compat import RecipeBatchView
from embfeast.plugin.feature_table import (
    AS_OF_TAG,
    DIGEST_TAG,
    ENTITY_TAG,
    ENTRY_TAG,
    ONLINE_TAG,
    PREFIX_TAG,
    RECIPE_TAG,
    STATES_TAG,
    TRAIN_ON_TAG,
)
from embfeast.plugin.live import TEXT
from embfeast.recipe import FittedRecipe
from embfeast.recipe.entity_states import state_features
from embfeast.tables.columns import CREATED_TIME, EVENT_TIME

# Names that a key cannot have beside features: by name, what has them.
OWN_PREFIX = "embfeast_"
OWN_COLUMNS = {
    EVENT_TIME: "every feature table has",
    CREATED_TIME: "every feature table has",
    TEXT: "a request for a new text has",
    "filename": "DuckDB gives the rows of files",
    "file_row_number": "DuckDB gives the rows of files",
    "rowid": "DuckDB gives the rows of tables",
    DUMMY_ENTITY_ID: "Feast gives views without keys",
}
KEY_TYPES = (ValueType.INT32, ValueType.INT64, ValueType.STRING)
TYPES: dict[str, FeastType] = {
    "float": Float32,
    "integer": Int64,
    "vector": Array(Float32),
    "doubles": Array(Float64),
}
STATES_PURPOSE = "What an entity had written, after each moment of its texts"

# Feast stores a transformation as source text and rebuilds it from that text alone. This one must
# stay constant: Feast cannot apply a batch view whose transformation has changed (the digest
# travels in the view's tags). It only ever runs under another engine than ours.
BATCH_FUNCTION = """def computed_by_embfeast(frame):
    from embfeast.errors import EmbfeastError
    from embfeast.plugin.engine_choice import NEEDS_OURS

    raise EmbfeastError(NEEDS_OURS)
"""


class RecipeOnDemandView(OnDemandFeatureView):
    """An on-demand view whose features are known from the recipe."""

    def infer_features(self) -> None:
        """Infer nothing: Feast would run the model on a made-up text at every apply."""


@dataclass(frozen=True)
class ViewFactory:
    """Makes the views of one recipe."""

    fitted: FittedRecipe
    owner: str
    more_tags: Mapping[str, str]

    def batch_view(
        self,
        entry: str,
        name: str,
        text: FeatureView,
        entities: list[Entity],
        offline_path: str,
        ttl: timedelta | None,
        prefix: str = "",
        states_of: str = "",
    ) -> BatchFeatureView:
        """Return the view of an entry's stored features; `prefix` tells a second text's apart.

        Or the view of the states of entities, which follow from the table `states_of`.
        """
        self.check_served([entry])
        fields = self.state_fields(entry) if states_of else self.fields(entry, prefix)
        table = FileSource(
            name=f"{name}_table",
            path=f"{offline_path}/{name}/{self.fitted.digest}",
            file_format=DeltaFormat(),
            timestamp_field=EVENT_TIME,
            created_timestamp_column=CREATED_TIME,
            description=f"Feature table of {name}, one folder a recipe digest",
            owner=self.owner,
            tags={DIGEST_TAG: self.fitted.digest, AS_OF_TAG: self.fitted.record.as_of or ""},
        )
        digest = Field(
            name=f"{name}_digest",
            dtype=String,
            description="digest of the recipe that made the row",
        )
        return RecipeBatchView(
            name=name,
            mode=TransformationMode.RAY,
            entities=entities,
            schema=[*key_fields(entities), *fields, digest],
            source=[text],
            sink_source=table,
            ttl=ttl or timedelta(0),
            online=True,
            offline=True,
            description=STATES_PURPOSE if states_of else self.purpose(entry),
            owner=self.owner,
            tags=self.tags(entry, prefix, states_of),
            # Feast's Ray engine swallows an error of any other kind of transformation and passes
            # the texts on as features; one of this kind it calls itself, before a row is touched.
            feature_transformation=RayTransformation(
                udf=rehydrate_udf_from_source(BATCH_FUNCTION), udf_string=BATCH_FUNCTION
            ),
        )

    def on_demand_view(
        self,
        name: str,
        sources: list[Any],
        fields: list[Field],
        function: str,
        description: str,
        entry: str,
        train_on: str = "",
    ) -> OnDemandFeatureView:
        """Return a view that is computed in a request by a function in source text.

        `train_on` names the view that training sets take in its place, where they cannot have it.
        """
        return RecipeOnDemandView(
            name=name,
            sources=sources,
            schema=fields,
            # Built the way Feast rebuilds it, so that what it stores is the same in every run.
            feature_transformation=PythonTransformation(
                udf=rehydrate_udf_from_source(function), udf_string=function
            ),
            mode="python",
            description=description,
            owner=self.owner,
            tags=self.tags(entry) | ({TRAIN_ON_TAG: train_on} if train_on else {}),
        )

    def check_served(self, entries: Sequence[str]) -> None:
        """Refuse entries that no view can give the same numbers of in training and serving."""
        settings = self.fitted.settings
        for entry in entries:
            if entry in settings.entity_entries and not settings.tricks[entry].kind.needs_entity:
                raise EmbfeastError(
                    f"recipe {settings.name!r}: entry {entry!r} reads an entry that compares a "
                    "text with what its entity wrote before, and only that one has a view",
                    "leave it out by entries=[...], and let the model join the features of both",
                )

    def check_alone(self, entries: Sequence[str]) -> None:
        """Refuse entries that a text in a request does not say enough for."""
        if refused := [one for one in entries if one in self.fitted.settings.entity_entries]:
            raise EmbfeastError(
                f"recipe {self.fitted.settings.name!r}: entry {refused[0]!r} reads what an entity "
                "wrote before, which is stored by text and cannot be computed in a request",
                "leave it out by entries=[...], and push the text: its features are stored and "
                "served at once; or ask with the entity's key, by embfeast.plugin.history_views",
            )

    def fields(self, entry: str, prefix: str = "") -> list[Field]:
        """Return the features of an entry as Feast's fields."""
        return [
            Field(
                name=prefix + feature.name,
                dtype=TYPES[feature.kind],
                description=self.purpose(entry),
                tags={"width": str(feature.width)} if feature.kind == "vector" else {},
                # A store that can search vectors does so; some take no other vectors at all.
                vector_index=feature.kind == "vector",
                vector_length=feature.width if feature.kind == "vector" else 0,
            )
            for feature in self.fitted.features(entry)
        ]

    def state_fields(self, entry: str) -> list[Field]:
        """Return the columns of an entity's state as Feast's fields."""
        return [
            Field(name=one.name, dtype=TYPES[one.kind], description=STATES_PURPOSE)
            for one in state_features(self.fitted, entry)
        ]

    def purpose(self, entry: str) -> str:
        """Return what an entry is for: as its recipe describes it, else as its trick does."""
        settings = self.fitted.settings.tricks[entry]
        return settings.description or settings.kind.purpose.capitalize()

    def tags(self, entry: str, prefix: str = "", states_of: str = "") -> dict[str, str]:
        """Return the tags by which a view is known as ours."""
        own = {
            DIGEST_TAG: self.fitted.digest,
            ENTRY_TAG: entry,
            RECIPE_TAG: self.fitted.settings.name,
            "embfeast.model": str(self.fitted.settings.model),
            AS_OF_TAG: self.fitted.record.as_of or "",
        }
        if prefix:
            own[PREFIX_TAG] = prefix
        settings = self.fitted.settings.tricks.get(entry)
        if states_of:
            own[STATES_TAG] = states_of
        elif settings is not None and settings.kind.needs_entity:
            own[ENTITY_TAG] = self.fitted.tricks[entry].entity
        if settings is not None and not settings.online:
            own[ONLINE_TAG] = "false"
        return {**self.more_tags, **own}


def key_fields(entities: list[Entity]) -> list[Field]:
    """Return the entities' keys as Feast's fields."""
    for entity in entities:
        if entity.value_type not in KEY_TYPES:
            # Feast's online stores make no key of most others, and of times one of whole seconds.
            raise EmbfeastError(
                f"entity {entity.name!r}: its value type is {entity.value_type.name}, of which "
                "Feast makes no exact key",
                "give Entity(..., value_type=ValueType.INT64) for whole numbers, and STRING for "
                "all else, with CAST(... AS VARCHAR) in the source's query for times and fractions",
            )
    return [Field(name=e.join_key, dtype=from_value_type(e.value_type)) for e in entities]


def check_columns(
    text: FeatureView, features: Sequence[str], more_keys: Sequence[str] = ()
) -> None:
    """Refuse columns of a source that would be mixed up with features or with columns of ours.

    DuckDB and Delta tables do not tell capital letters from small ones.
    """
    source = text.batch_source
    keys = [*(field.name for field in text.entity_columns), *more_keys]
    roles = {
        "key": keys,
        "time": [source.timestamp_field, source.created_timestamp_column],
        "text": source.text_columns,
        "label": [source.label_column],
    }
    taken = {name.casefold(): name for name in features}
    seen: dict[str, str] = {}
    for role, names in roles.items():
        for name in filter(None, names):
            where = f"source {source.name!r}: its {role} column {name!r}"
            rename = f'rename the column in a query: SELECT "{name}" AS another_name, ...'
            small = name.casefold()
            if small in taken:
                raise EmbfeastError(
                    f"{where} has the name of the feature {taken[small]!r}",
                    f"set `prefix` on the recipe's entry, or {rename}",
                )
            if small.startswith(OWN_PREFIX):
                raise EmbfeastError(f"{where} begins as embfeast's own columns do", rename)
            if role == "key" and small in OWN_COLUMNS:
                raise EmbfeastError(
                    f"{where} has the name of a column that {OWN_COLUMNS[small]}", rename
                )
            if role != "label" and seen.setdefault(small, role) != role:
                raise EmbfeastError(f"{where} is its {seen[small]} column too", rename)


def check_names(views: Mapping[str, FeatureView | OnDemandFeatureView]) -> None:
    """Refuse equal feature names, which Feast would mix up in a request."""
    seen: dict[str, str] = {}
    for view in views.values():
        for field in view.features:
            if field.name in seen:
                raise EmbfeastError(
                    f"views {seen[field.name]!r} and {view.name!r} both have a feature "
                    f"{field.name!r}; set `prefix` on one of the two recipe entries"
                )
            seen[field.name] = view.name
