"""View factories: from a fitted recipe, a source and an entity to Feast's views."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from feast import (
    BatchFeatureView,
    Entity,
    FeatureView,
    Field,
    FileSource,
    OnDemandFeatureView,
    PushSource,
    RequestSource,
)
from feast.transformation.mode import TransformationMode
from feast.transformation.python_transformation import PythonTransformation
from feast.transformation.ray_transformation import RayTransformation
from feast.transformation.udf_rehydrate import rehydrate_udf_from_source
from feast.types import Array, FeastType, Float32, Int64, String, from_value_type
from feast.value_type import ValueType

from embfeast.errors import EmbfeastError
from embfeast.plugin.feature_table import (
    AS_OF_TAG,
    CREATED_TIME,
    DIGEST_TAG,
    ENTRY_TAG,
    EVENT_TIME,
    ONLINE_TAG,
    PREFIX_TAG,
    RECIPE_TAG,
)
from embfeast.plugin.live import TEXT
from embfeast.plugin.source import DuckDBSource
from embfeast.recipe import FittedRecipe

TYPES: dict[str, FeastType] = {"float": Float32, "integer": Int64, "vector": Array(Float32)}
PURPOSES = {
    "embedding": "the sentence embedding",
    "anchor_similarity": "cosine similarity to named concepts",
    "embedding_reducer": "the embedding with fewer dimensions",
    "cluster_features": "the text's cluster and its distances to the centroids",
    "pair_interaction": "how two texts relate",
    "whitener": "the embedding with its directions equalised",
    "token_pooler": "poolings over the word pieces",
    "feature_synthesizer": "products of reduced dimensions",
    "join": "several entries side by side in one vector",
}

# Feast stores a transformation as source text and rebuilds it from that text alone, so these are
# self-contained. The first must stay constant: Feast cannot apply a batch view whose
# transformation has changed (the digest travels in the view's tags). It only ever runs under
# another engine than ours.
BATCH_FUNCTION = """def computed_by_embfeast(frame):
    from embfeast.errors import EmbfeastError
    from embfeast.plugin.engine_choice import NEEDS_OURS

    raise EmbfeastError(NEEDS_OURS)
"""
LIVE_FUNCTION = """def live_features(inputs):
    from embfeast.plugin.live import live_features

    return live_features(
        inputs, digest="{digest}", digest_column="{digest_column}", entries={entries}
    )
"""
PAIR_FUNCTION = """def pair_features(inputs):
    from embfeast.plugin.live import pair_features

    return pair_features(
        inputs,
        digest="{digest}",
        entry="{entry}",
        left="{left}",
        right="{right}",
        output="{output}",
    )
"""


class RecipeOnDemandView(OnDemandFeatureView):
    """An on-demand view whose features are known from the recipe."""

    def infer_features(self) -> None:
        """Infer nothing: Feast would run the model on a made-up text at every apply."""


def feature_views(
    fitted: FittedRecipe,
    *,
    source: DuckDBSource | PushSource,
    entity: Entity | Sequence[Entity],
    name: str | None = None,
    offline_path: str = "data/features",
    entries: Sequence[str] | None = None,
    ttl: timedelta | None = None,
    owner: str = "",
    tags: Mapping[str, str] | None = None,
) -> dict[str, FeatureView]:
    """Make one batch view an entry of the recipe, and the text view they read.

    Parameters
    ----------
    fitted : FittedRecipe
    source : DuckDBSource or PushSource
        Where the texts lie. With ``PushSource(name=..., batch_source=DuckDBSource(...))`` texts can
        also be pushed under that name: their features are stored and served at once.
    entity : Entity or sequence of Entity
        With a value type, so that the key's column type is known.
    name : str, optional
        Start of every view's name; the (first) entity's name by default.
    offline_path : str, default "data/features"
        Folder of the feature tables, relative to the feature repository.
    entries : sequence of str, optional
        Only these entries; all that make features of one text by default.
    ttl : timedelta, optional
        How long a feature row stays valid; for ever by default.
    owner : str
    tags : mapping, optional
        Added to every view's own.

    Returns
    -------
    dict of FeatureView
        By view name. Feast finds views among a module's globals: ``globals().update(views)``.

    Examples
    --------
    >>> from feast import Entity, ValueType
    >>> from embfeast import Recipe
    >>> from embfeast.plugin import DuckDBSource
    >>> fitted = Recipe({"tricks": {"embedding": {"trick": "embedding"}}}).fit(["a", "b"])
    >>> review = Entity(name="review", join_keys=["review_id"], value_type=ValueType.INT64)
    >>> source = DuckDBSource(name="reviews", database="reviews.duckdb", table="reviews",
    ...                       text_columns=["body"], timestamp_field="written_at")
    >>> list(feature_views(fitted, source=source, entity=review))
    ['review_text', 'review_embedding']
    """
    _check_source(source)
    entities = [entity] if isinstance(entity, Entity) else list(entity)
    name = name or entities[0].name
    text = _text_view(f"{name}_text", source, entities, owner, dict(tags or {}))
    views: dict[str, FeatureView] = {text.name: text}
    for entry in entries if entries is not None else fitted.entries:
        view = _batch_view(
            fitted, entry, f"{name}_{entry}", text, entities, "", offline_path, ttl, owner, tags
        )
        views[view.name] = view
    _check_names(views)
    return views


def pair_view(
    fitted: FittedRecipe,
    views: Mapping[str, FeatureView],
    *,
    entity: Entity,
    other: Entity,
    entry: str | None = None,
    name: str | None = None,
    offline_path: str = "data/features",
    ttl: timedelta | None = None,
    owner: str = "",
    tags: Mapping[str, str] | None = None,
) -> dict[str, FeatureView | OnDemandFeatureView]:
    """Make the on-demand view of two stored texts, and the view that serves the other text.

    Feast cannot read one view twice in a request, so the vector that the pair reads is served
    under a second key. It costs one more copy of that vector: let the pair entry read a reduced
    one.

    Parameters
    ----------
    fitted : FittedRecipe
    views : mapping
        As made by `feature_views`, with the view of the entry that the pair reads.
    entity : Entity
        The text's entity.
    other : Entity
        The same kind of thing under another key, which ends in the first one's
        (``other_ticket_id`` for ``ticket_id``).
    entry : str, optional
        The pair entry; the recipe's only one by default.
    name : str, optional
        Start of the view's name; the entity's name by default.
    offline_path, ttl, owner, tags
        As in `feature_views`.

    Returns
    -------
    dict
        The other text's batch view and the on-demand view, by name.

    Raises
    ------
    EmbfeastError
        The recipe has no such pair entry, its input is not served, or the keys do not fit.
    """
    name = name or entity.name
    entry = _pair_entry(fitted, entry)
    input_entry = fitted.settings.tricks[entry].input
    left = views.get(f"{name}_{input_entry}")
    if left is None:
        raise EmbfeastError(
            f"pair entry {entry!r} reads {input_entry!r}, which has no view "
            f"{name}_{input_entry}; "
            f"add an entry {input_entry!r} to the recipe and serve it"
        )
    if not other.join_key.endswith(entity.join_key) or other.join_key == entity.join_key:
        raise EmbfeastError(
            f"entity {other.name!r}: its key {other.join_key!r} must be a prefix and "
            f"{entity.join_key!r}, say 'other_{entity.join_key}'"
        )
    prefix = other.join_key.removesuffix(entity.join_key)
    right = _batch_view(
        fitted,
        input_entry,
        f"{prefix}{name}_{input_entry}",
        left.source_views[0],
        [other],
        prefix,
        offline_path,
        ttl,
        owner,
        tags,
    )
    feature, kind = fitted.features(input_entry)[0].name, fitted.features(input_entry)[0].kind
    if kind != "vector":
        raise EmbfeastError(
            f"pair entry {entry!r} reads {input_entry!r}, whose features are single numbers; let "
            "it read an entry that gives one vector, such as a reduced embedding"
        )
    output = fitted.features(entry)[0].name
    function = PAIR_FUNCTION.format(
        digest=fitted.digest, entry=entry, left=feature, right=prefix + feature, output=output
    )
    view = _on_demand_view(
        f"{name}_{entry}",
        [left, right],
        [Field(name=output, dtype=Array(Float32))],
        function,
        _purpose(fitted, entry),
        owner,
        _tags(fitted, entry, "", tags),
    )
    return {right.name: right, view.name: view}


def live_view(
    fitted: FittedRecipe,
    *,
    name: str,
    entries: Sequence[str] | None = None,
    owner: str = "",
    tags: Mapping[str, str] | None = None,
) -> dict[str, OnDemandFeatureView]:
    """Make the on-demand view that computes all features from a text in the request.

    Its features have the names of the stored ones, so a model takes either.

    Parameters
    ----------
    fitted : FittedRecipe
    name : str
        The view is called ``<name>_live`` and reads the request field ``text``.
    entries : sequence of str, optional
        Only these entries; by default all that make features of one text and go online.
    owner, tags
        As in `feature_views`.

    Returns
    -------
    dict of OnDemandFeatureView
        By view name.

    Examples
    --------
    >>> from embfeast import Recipe
    >>> fitted = Recipe({"tricks": {"embedding": {"trick": "embedding"}}}).fit(["a", "b"])
    >>> [field.name for field in live_view(fitted, name="review")["review_live"].features]
    ['embedding', 'review_live_digest']
    """
    request = RequestSource(
        name=f"{name}_request",
        schema=[Field(name=TEXT, dtype=String, description="the text to compute features of")],
        description="A text in the request",
        owner=owner,
    )
    served = entries if entries is not None else fitted.online_entries
    # Feast's registry keeps neither description nor tags of an on-demand feature and would not
    # know the field again.
    fields = [
        Field(name=field.name, dtype=field.dtype)
        for entry in served
        for field in _fields(fitted, entry, "")
    ]
    digest_column = f"{name}_live_digest"
    fields.append(Field(name=digest_column, dtype=String))
    view = _on_demand_view(
        f"{name}_live",
        [request],
        fields,
        LIVE_FUNCTION.format(
            digest=fitted.digest, digest_column=digest_column, entries=list(served)
        ),
        "All features of a text that nobody has stored, computed from the request",
        owner,
        _tags(fitted, ",".join(served), "", tags),
    )
    return {view.name: view}


def _check_source(source: object) -> None:
    stored = source.batch_source if isinstance(source, PushSource) else source
    if not isinstance(stored, DuckDBSource):
        raise EmbfeastError(
            f"source {getattr(source, 'name', source)!r} has no texts; give a DuckDBSource, or "
            "PushSource(name=..., batch_source=DuckDBSource(...))"
        )


def _text_view(
    name: str,
    source: DuckDBSource | PushSource,
    entities: list[Entity],
    owner: str,
    tags: dict[str, str],
) -> FeatureView:
    stored = source.batch_source if isinstance(source, PushSource) else source
    texts = [Field(name=column, dtype=String) for column in stored.text_columns]
    return FeatureView(
        name=name,
        entities=entities,
        schema=[*_key_fields(entities), *texts],
        source=source,
        ttl=timedelta(0),
        online=False,
        description=f"The texts of {stored.name}, every revision",
        owner=owner,
        tags=tags,
    )


def _batch_view(
    fitted: FittedRecipe,
    entry: str,
    name: str,
    text: FeatureView,
    entities: list[Entity],
    prefix: str,
    offline_path: str,
    ttl: timedelta | None,
    owner: str,
    tags: Mapping[str, str] | None,
) -> BatchFeatureView:
    table = FileSource(
        name=f"{name}_table",
        path=f"{offline_path}/{name}/{fitted.digest}",
        timestamp_field=EVENT_TIME,
        created_timestamp_column=CREATED_TIME,
        description=f"Feature table of {name}, one folder a recipe digest",
        owner=owner,
        tags={DIGEST_TAG: fitted.digest},
    )
    return BatchFeatureView(
        name=name,
        mode=TransformationMode.RAY,
        entities=entities,
        schema=[
            *_key_fields(entities),
            *_fields(fitted, entry, prefix),
            _digest_field(f"{name}_digest"),
        ],
        source=[text],
        sink_source=table,
        ttl=ttl or timedelta(0),
        online=True,
        offline=True,
        description=_purpose(fitted, entry),
        owner=owner,
        tags=_tags(fitted, entry, prefix, tags),
        # Feast's Ray engine swallows an error of any other kind of transformation and passes the
        # texts on as features; one of this kind it calls itself, before a row is touched.
        feature_transformation=RayTransformation(
            udf=rehydrate_udf_from_source(BATCH_FUNCTION), udf_string=BATCH_FUNCTION
        ),
    )


def _on_demand_view(
    name: str,
    sources: list[Any],
    fields: list[Field],
    function: str,
    description: str,
    owner: str,
    tags: dict[str, str],
) -> OnDemandFeatureView:
    return RecipeOnDemandView(
        name=name,
        sources=sources,
        schema=fields,
        feature_transformation=_python(function),
        mode="python",
        description=description,
        owner=owner,
        tags=tags,
    )


def _python(text: str) -> PythonTransformation:
    # Built the way Feast rebuilds it, so that what it stores does not differ from run to run.
    return PythonTransformation(udf=rehydrate_udf_from_source(text), udf_string=text)


def _fields(fitted: FittedRecipe, entry: str, prefix: str) -> list[Field]:
    return [
        Field(
            name=prefix + feature.name,
            dtype=TYPES[feature.kind],
            description=_purpose(fitted, entry),
            tags={"width": str(feature.width)} if feature.kind == "vector" else {},
            # An online store that can search vectors does so; some take no other vectors at all.
            vector_index=feature.kind == "vector",
            vector_length=feature.width if feature.kind == "vector" else 0,
        )
        for feature in fitted.features(entry)
    ]


def _digest_field(name: str) -> Field:
    return Field(name=name, dtype=String, description="digest of the recipe that made the row")


def _key_fields(entities: list[Entity]) -> list[Field]:
    for entity in entities:
        if entity.value_type is ValueType.UNKNOWN:
            raise EmbfeastError(
                f"entity {entity.name!r} has no value type; give Entity(..., "
                "value_type=ValueType.INT64) or STRING, as the key column has"
            )
    return [Field(name=e.join_key, dtype=from_value_type(e.value_type)) for e in entities]


def _purpose(fitted: FittedRecipe, entry: str) -> str:
    settings = fitted.settings.tricks[entry]
    return settings.description or PURPOSES[settings.trick].capitalize()


def _tags(
    fitted: FittedRecipe, entry: str, prefix: str, more: Mapping[str, str] | None
) -> dict[str, str]:
    own = {
        DIGEST_TAG: fitted.digest,
        ENTRY_TAG: entry,
        RECIPE_TAG: fitted.settings.name,
        "embfeast.model": fitted.settings.model,
        AS_OF_TAG: fitted.record.as_of or "",
    }
    if prefix:
        own[PREFIX_TAG] = prefix
    entry_settings = fitted.settings.tricks.get(entry)
    if entry_settings is not None and not entry_settings.online:
        own[ONLINE_TAG] = "false"
    return dict(more or {}) | own


def _pair_entry(fitted: FittedRecipe, entry: str | None) -> str:
    known = fitted.pair_entries
    if entry is None and len(known) == 1:
        return known[0]
    if entry not in known:
        raise EmbfeastError(
            f"recipe {fitted.settings.name!r} has the pair entries "
            f"{', '.join(known) or '(none)'}; name one of them, got {entry!r}"
        )
    return str(entry)


def _check_names(views: Mapping[str, FeatureView]) -> None:
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
