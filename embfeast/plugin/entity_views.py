"""Views keyed by who writes: what an entity had written, and a new text against it."""

from collections.abc import Mapping

from feast import Entity, FeatureView, Field, OnDemandFeatureView, RequestSource
from feast.types import String

from embfeast.errors import EmbfeastError
from embfeast.plugin.feature_table import ENTRY_TAG, has_states, is_ours
from embfeast.plugin.live import TEXT
from embfeast.plugin.view_factory import TYPES, ViewFactory, check_columns, check_names
from embfeast.recipe import FittedRecipe
from embfeast.recipe.entity_states import lasting_features

# As Feast stores it: source text that is rebuilt from itself alone.
HISTORY_FUNCTION = """def history_features(inputs):
    from embfeast.plugin.live import history_features

    return history_features(
        inputs,
        digest="{digest}",
        entry="{entry}",
        states="{states}",
        digest_column="{digest_column}",
        moment={moment!r},
    )
"""


def history_views(
    fitted: FittedRecipe,
    views: Mapping[str, FeatureView],
    *,
    entity: Entity,
    entry: str | None = None,
    moment: str | None = None,
    offline_path: str = "data/features",
    owner: str = "",
    tags: Mapping[str, str] | None = None,
) -> dict[str, FeatureView | OnDemandFeatureView]:
    """Make the view of what entities had written, and the one of a request's text against it.

    Parameters
    ----------
    fitted : FittedRecipe
    views : mapping
        As made by `feature_views`, with the view of the ``entity_history`` entry.
    entity : Entity
        Who writes; its key is the entry's column (`entity`), with the value type of that column.
    entry : str, optional
        The ``entity_history`` entry; the recipe's only one by default.
    moment : str, optional
        A field of the request that says when the text was written, in ISO 8601; null means now. By
        default a request has no such field, and texts are written now.
    offline_path, owner, tags
        As in `feature_views`.

    Returns
    -------
    dict
        By name: ``<view>_state``, a batch view of the entity's key with a row for each moment of
        its texts, and ``<view>_live``, an on-demand view of that and of the request's ``text``. It
        has the features of the text's own view that last: none of windows in days. Train on that
        one: no training set has the on-demand view.

    Raises
    ------
    EmbfeastError
        The recipe has no such entry, it is not served, the key is another column, or the entry is
        one vector that holds windows in days.

    Examples
    --------
    >>> from feast import ValueType
    >>> from embfeast import Recipe
    >>> from embfeast.plugin import DuckDBSource, feature_views
    >>> history = {"trick": "entity_history", "entity": "writer", "outputs": ["days", "similarity"]}
    >>> fitted = Recipe({"tricks": {"history": history}}).fit(
    ...     ["a", "b"], timestamps=["2026-01-01", "2026-01-02"], entities={"writer": ["ann", "bob"]}
    ... )
    >>> source = DuckDBSource(name="reviews", database="reviews.duckdb", table="reviews",
    ...                       text_columns=["body"], timestamp_field="written_at")
    >>> review = Entity(name="review", join_keys=["review_id"], value_type=ValueType.INT64)
    >>> writer = Entity(name="writer", join_keys=["writer"], value_type=ValueType.STRING)
    >>> views = feature_views(fitted, source=source, entity=review)
    >>> made = history_views(fitted, views, entity=writer)
    >>> [field.name for field in made["review_history_live"].features]
    ['history_log_days', 'history_similarity_last_5', 'history_similarity_decayed',
     'history_similarity', 'review_history_live_digest']
    """
    entry = _history_entry(fitted, entry)
    history = _view_of(views, entry)
    column = fitted.tricks[entry].entity
    if entity.join_key != column:
        raise EmbfeastError(
            f"entity {entity.name!r}: its key is {entity.join_key!r}, and entry {entry!r} is of "
            f"the column {column!r}",
            f"give Entity(name=..., join_keys=[{column!r}], value_type=...)",
        )
    text, make = history.source_views[0], ViewFactory(fitted, owner, tags or {})
    states = make.batch_view(
        entry,
        f"{history.name}_state",
        text,
        [entity],
        offline_path,
        None,
        states_of=history.batch_source.path,
    )
    live = f"{history.name}_live"
    fields = [
        Field(name=one.name, dtype=TYPES[one.kind]) for one in lasting_features(fitted, entry)
    ]
    digest_column = f"{live}_digest"
    function = HISTORY_FUNCTION.format(
        digest=fitted.digest,
        entry=entry,
        states=states.name,
        digest_column=digest_column,
        moment=moment,
    )
    view = make.on_demand_view(
        live,
        [states, _request(live, moment, owner)],
        [*fields, Field(name=digest_column, dtype=String)],
        function,
        f"A text in the request against what its {column} had written",
        entry,
        train_on=history.name,
    )
    features = [f.name for made in views.values() if is_ours(made) for f in made.features]
    given = [field.name for field in states.features]
    check_columns(text, [*features, *given, digest_column], [entity.join_key])
    check_names({**views, states.name: states})
    return {states.name: states, view.name: view}


def _request(live: str, moment: str | None, owner: str) -> RequestSource:
    schema = [Field(name=TEXT, dtype=String, description="the text to compute features of")]
    if moment is not None:
        when = "when it was written, in ISO 8601; null for now"
        schema.append(Field(name=moment, dtype=String, description=when))
    return RequestSource(
        name=f"{live}_request",
        schema=schema,
        description="A text in the request, of an entity whose texts are stored",
        owner=owner,
    )


def _history_entry(fitted: FittedRecipe, entry: str | None) -> str:
    settings = fitted.settings
    known = [name for name, one in settings.tricks.items() if one.kind.needs_entity]
    if not known:
        raise EmbfeastError(
            f"recipe {settings.name!r} has no entity_history entry",
            "take history_views, and the services of its views, out of the repository's files, or "
            "put the entry into recipe.yaml and fit again",
        )
    if entry is None and len(known) == 1:
        return known[0]
    if entry not in known:
        raise EmbfeastError(
            f"recipe {settings.name!r} has the entity_history entries "
            f"{', '.join(known)}; name one of them, got {entry!r}"
        )
    return str(entry)


def _view_of(views: Mapping[str, FeatureView], entry: str) -> FeatureView:
    for view in views.values():
        if is_ours(view) and view.tags[ENTRY_TAG] == entry and not has_states(view):
            return view
    raise EmbfeastError(
        f"entry {entry!r} has no view among {', '.join(views) or '(none)'}",
        "let feature_views make one: states of entities follow from its table",
    )
