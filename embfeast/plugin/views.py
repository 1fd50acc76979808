"""View factories: from a fitted recipe, a source and an entity to Feast's views."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from feast import Entity, FeatureView, Field, OnDemandFeatureView, PushSource, RequestSource
from feast.types import Array, Float32, String

from embfeast.errors import EmbfeastError
from embfeast.plugin.feature_table import is_ours
from embfeast.plugin.live import TEXT
from embfeast.plugin.source import DuckDBSource
from embfeast.plugin.view_factory import ViewFactory, check_columns, check_names, key_fields
from embfeast.recipe import FittedRecipe

# As Feast stores them: source text that is rebuilt from itself alone.
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
        makers=("{left_maker}", "{right_maker}"),
        digest_column="{digest_column}",
    )
"""


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
    entities = [entity] if isinstance(entity, Entity) else list(entity)
    name = name or entities[0].name
    text = _text_view(f"{name}_text", source, entities, owner, dict(tags or {}))
    views: dict[str, FeatureView] = {text.name: text}
    make = ViewFactory(fitted, owner, tags or {})
    served = entries if entries is not None else fitted.entries
    # From the recipe: of a view itself Feast leaves out what is named as a key.
    digests = [f"{name}_{entry}_digest" for entry in [*served, "live"]]
    check_columns(text, [*digests, *(f.name for e in served for f in fitted.features(e))])
    for entry in served:
        view = make.batch_view(entry, f"{name}_{entry}", text, entities, offline_path, ttl)
        views[view.name] = view
    check_names(views)
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
        As made by `feature_views`, with the view of the entry that the pair reads (`left`, where
        it reads two).
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
    left_entry, right_entry = fitted.settings.tricks[entry].sides
    left = views.get(f"{name}_{left_entry}")
    if left is None:
        raise EmbfeastError(
            f"pair entry {entry!r} reads {left_entry!r}, which has no view {name}_{left_entry}; "
            f"add an entry {left_entry!r} to the recipe and serve it"
        )
    if right_entry not in fitted.entries:
        raise EmbfeastError(
            f"pair entry {entry!r} reads {right_entry!r}, which is no entry of the recipe; "
            f"add one, `{right_entry}: {{trick: embedding}}`"
        )
    if not other.join_key.endswith(entity.join_key) or other.join_key == entity.join_key:
        raise EmbfeastError(
            f"entity {other.name!r}: its key {other.join_key!r} must be a prefix and "
            f"{entity.join_key!r}, say 'other_{entity.join_key}'"
        )
    prefix = other.join_key.removesuffix(entity.join_key)
    make = ViewFactory(fitted, owner, tags or {})
    make.check_alone([entry])
    right = make.batch_view(
        right_entry,
        f"{prefix}{name}_{right_entry}",
        left.source_views[0],
        [other],
        offline_path,
        ttl,
        prefix,
    )
    read = [_vector(fitted, entry, one) for one in (left_entry, right_entry)]
    output = fitted.features(entry)[0].name
    features = [f.name for made in views.values() if is_ours(made) for f in made.features]
    given = [output, *(prefix + feature.name for feature in fitted.features(right_entry))]
    check_columns(left.source_views[0], [*features, *given], [other.join_key])
    digest_column = f"{name}_{entry}_digest"
    function = PAIR_FUNCTION.format(
        digest=fitted.digest,
        entry=entry,
        left=read[0],
        right=prefix + read[1],
        output=output,
        left_maker=f"{left.name}_digest",
        right_maker=f"{right.name}_digest",
        digest_column=digest_column,
    )
    view = make.on_demand_view(
        f"{name}_{entry}",
        [left, right],
        [Field(name=output, dtype=Array(Float32)), Field(name=digest_column, dtype=String)],
        function,
        make.purpose(entry),
        entry,
    )
    made = {right.name: right, view.name: view}
    check_names({**views, **made})
    return made


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
        Only these entries; by default all that make features of one text and go online, but for
        those on what its entity wrote before, which a text by itself does not say.
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
    served = entries
    if served is None:
        served = [entry for entry in fitted.online_entries if entry in fitted.alone_entries]
    # Feast's registry keeps neither description nor tags of an on-demand feature and would not
    # know the field again.
    make = ViewFactory(fitted, owner, tags or {})
    make.check_alone(served)
    fields = [
        Field(name=field.name, dtype=field.dtype) for one in served for field in make.fields(one)
    ]
    digest_column = f"{name}_live_digest"
    fields.append(Field(name=digest_column, dtype=String))
    function = LIVE_FUNCTION.format(
        digest=fitted.digest, digest_column=digest_column, entries=list(served)
    )
    view = make.on_demand_view(
        f"{name}_live",
        [request],
        fields,
        function,
        "All features of a text that nobody has stored, computed from the request",
        ",".join(served),
    )
    return {view.name: view}


def _text_view(
    name: str, source: object, entities: list[Entity], owner: str, tags: dict[str, str]
) -> FeatureView:
    stored = source.batch_source if isinstance(source, PushSource) else source
    if not isinstance(stored, DuckDBSource):
        raise EmbfeastError(
            f"source {getattr(source, 'name', source)!r} has no texts; give a DuckDBSource, or "
            "PushSource(name=..., batch_source=DuckDBSource(...))"
        )
    texts = [Field(name=column, dtype=String) for column in stored.text_columns]
    return FeatureView(
        name=name,
        entities=entities,
        schema=[*key_fields(entities), *texts],
        source=source,
        ttl=timedelta(0),
        online=False,
        description=f"The texts of {stored.name}, every revision",
        owner=owner,
        tags=tags,
    )


def _vector(fitted: FittedRecipe, entry: str, read: str) -> str:
    feature = fitted.features(read)[0]
    if feature.kind != "vector":
        raise EmbfeastError(
            f"pair entry {entry!r} reads {read!r}, whose features are single numbers; let "
            "it read an entry that gives one vector, such as a reduced embedding"
        )
    return feature.name


def _pair_entry(fitted: FittedRecipe, entry: str | None) -> str:
    known = fitted.pair_entries
    if entry is None and len(known) == 1:
        return known[0]
    if not known:
        raise EmbfeastError(
            f"recipe {fitted.settings.name!r} has no pair entry",
            "take pair_view, and the services of its views, out of the repository's files, or add "
            "an entry `pair: {trick: pair_interaction}` and fit again",
        )
    if entry not in known:
        raise EmbfeastError(
            f"recipe {fitted.settings.name!r} has the pair entries {', '.join(known)}; "
            f"name one of them, got {entry!r}"
        )
    return str(entry)
