"""Stored texts similar to a text: by the online store's vector search, else by comparing all."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore, FeatureView
from feast.infra.online_stores.helpers import get_online_store_from_config
from feast.infra.online_stores.online_store import OnlineStore
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.plugin.compute_engine import engine_config, in_repo
from embfeast.plugin.exact_search import (
    METRICS,
    SCORE,
    Metric,
    exact_search,
    nearest,
    scores,
    stored_vector,
)
from embfeast.plugin.feature_table import (
    DIGEST_TAG,
    EVENT_TIME,
    MOMENT,
    FeatureTable,
    feature_table,
    is_ours,
    is_served,
)
from embfeast.plugin.live import serve_recipes_from, serving_recipe
from embfeast.plugin.versions import CURRENT, MISSING, STATUS
from embfeast.recipe import FittedRecipe
from embfeast.recipe.fitted import is_missing

# What Feast's stores call the metrics; those that are not named here follow PostgreSQL's.
STORE_METRICS: dict[str, dict[Metric, str]] = {
    "MilvusOnlineStore": {"cosine": "COSINE", "dot": "IP"},
    "": {"cosine": "cosine", "dot": "inner_product"},
}


def similar_texts(
    store: FeatureStore,
    view: str,
    *,
    text: str | None = None,
    vector: Sequence[float] | NDArray[Any] | None = None,
    key: Mapping[str, Any] | None = None,
    k: int = 10,
    metric: Metric = "cosine",
    as_of: datetime | None = None,
    exact: bool = False,
) -> pa.Table:
    """Find the stored texts most similar to a text.

    Parameters
    ----------
    store : FeatureStore
    view : str
        A view of ours with one vector, such as that of the embedding or the whitened embedding.
    text : str, optional
        A text that need not be stored; its vector is computed by the view's recipe.
    vector : array of shape (dim,), optional
        A vector as the view holds it.
    key : mapping, optional
        A stored text, ``{"ticket_id": 17}``; it is not among the results itself. Give one of the
        three.
    k : int, default 10
        Most results.
    metric : {"cosine", "dot"}
    as_of : datetime, optional
        Search the revisions of that moment: later event times do not count, as in a training set.
        Without a zone it is UTC. Searches the offline table.
    exact : bool, default False
        Search the offline table even where the online store can search.

    Returns
    -------
    pyarrow.Table of at most k rows
        The view's keys, ``score`` (float64, higher is nearer) and ``event_timestamp``, nearest
        first; equal scores in the order of the keys. Missing and blank texts are never found.

    Raises
    ------
    EmbfeastError
        There is no such view, key or vector; the query does not fit; or the online store found
        values of another recipe.

    Notes
    -----
    An online store with vector search proposes keys; their scores are computed here from their
    vectors, so that either way gives the same numbers. What the store's index overlooks is not
    found. Every other store, and every `as_of`, is searched exactly over the offline table.

    Examples
    --------
    ::

        similar_texts(store, "ticket_whitened", text="I was charged twice", k=5)
        similar_texts(store, "ticket_whitened", key={"ticket_id": 17}, as_of=cutoff)
    """
    if metric not in METRICS:
        raise EmbfeastError(f"metric {metric!r} is none of {', '.join(METRICS)}")
    if k < 1:
        raise EmbfeastError(f"k must be at least 1, got {k}")
    found = vector_view(store, view)
    key = typed_key(found, key) if key is not None else None
    search = _Search(store, found, feature_table(found), recipe_of(store, found), metric, as_of)
    online = as_of is None and not exact and can_search(store, found)
    query = search.query(text=text, vector=vector, key=key, online=online)
    return (search.online if online else search.offline)(query, k, key)


def can_search(store: FeatureStore, view: FeatureView) -> bool:
    """Tell whether a repository's online store searches a view's vectors itself."""
    config = store.config.online_store
    kind = type(get_online_store_from_config(config))
    searches = (
        kind.retrieve_online_documents_v2 is not OnlineStore.retrieve_online_documents_v2
        and bool(getattr(config, "vector_enabled", False))
    )
    return searches and is_served(view)


def vector_view(store: FeatureStore, name: str) -> FeatureView:
    """Return a view of ours whose feature is one vector.

    Raises
    ------
    EmbfeastError
        There is none of that name; the message lists them.
    """
    known = {v.name: v for v in store.list_batch_feature_views() if is_ours(v)}
    fitting = {n: v for n, v in known.items() if _vector_fields(v)}
    if name not in fitting:
        what = "holds single numbers, not a vector" if name in known else "is no view of ours"
        raise EmbfeastError(
            f"view {name!r} {what}; views with a vector are {', '.join(fitting) or '(none)'}"
        )
    return fitting[name]


def vector_feature(view: FeatureView) -> str:
    """Return the name of a view's vector."""
    return _vector_fields(view)[0]


def typed_key(view: FeatureView, key: Mapping[str, Any]) -> dict[str, Any]:
    """Return a key with values of the view's types: ``"17"`` from a command line is 17.

    Raises
    ------
    EmbfeastError
        It has other columns than the view's key, or a value that is none of their types.
    """
    schema = feature_table(view).schema
    names = [field.name for field in view.entity_columns]
    if set(key) != set(names):
        raise EmbfeastError(f"view {view.name!r} has the key {', '.join(names)}; got {dict(key)}")
    try:
        return {n: pa.scalar(key[n]).cast(schema.field(n).type).as_py() for n in names}
    except (pa.ArrowException, TypeError) as error:
        kinds = ", ".join(f"{name} ({schema.field(name).type})" for name in names)
        raise EmbfeastError(f"view {view.name!r}: key {dict(key)} is no {kinds}") from error


def recipe_of(store: FeatureStore, view: FeatureView) -> FittedRecipe:
    """Return the fitted recipe behind a view of ours, opened for serving."""
    serve_recipes_from(in_repo(store.config, engine_config(store.config).recipes).resolve())
    return serving_recipe(view.tags[DIGEST_TAG])


def online_vectors(
    store: FeatureStore, view: FeatureView, keys: Sequence[Mapping[str, Any]]
) -> tuple[list[list[float] | None], list[int]]:
    """Look the vectors of keys up.

    Returns
    -------
    vectors : list of (list of float or None)
    times : list of int
        Event times in microseconds since 1970.

    Raises
    ------
    EmbfeastError
        Some are of another recipe than the applied one, and must not be compared with its.
    """
    feature, digest = vector_feature(view), f"{view.name}_digest"
    response = store.get_online_features(
        [f"{view.name}:{feature}", f"{view.name}:{digest}"], [dict(key) for key in keys]
    )
    found = response.to_dict()
    others = [status for status in found[STATUS] if status not in (CURRENT, MISSING)]
    if others:
        raise EmbfeastError(
            f"view {view.name!r}: {len(others)} of {len(keys)} online values are of {others[0]}, "
            "which cannot be compared with the applied one's; materialize"
        )
    place = list(response.proto.metadata.feature_names.val).index(feature)
    moments = response.proto.results[place].event_timestamps  # to_dict gives whole seconds
    return found[feature], [moment.ToMicroseconds() for moment in moments]


class _Search:
    """One search: over which view, and by which metric."""

    def __init__(
        self,
        store: FeatureStore,
        view: FeatureView,
        table: FeatureTable,
        recipe: FittedRecipe,
        metric: Metric,
        as_of: datetime | None,
    ) -> None:
        self._store, self._view, self._table, self._recipe = store, view, table, recipe
        self._metric = metric
        self._as_of = as_of.replace(tzinfo=UTC) if as_of and as_of.tzinfo is None else as_of
        self._feature = vector_feature(view)
        self._folder = table.folder(store.config)

    def query(
        self, *, text: str | None, vector: Any, key: Mapping[str, Any] | None, online: bool
    ) -> NDArray[np.float32]:
        """Return the vector to compare with."""
        if sum(given is not None for given in (text, vector, key)) != 1:
            raise EmbfeastError("give one of text, vector and key")
        if text is not None:
            return self._of_text(text)
        if key is not None:
            return self._of_key(key, online)
        found = np.asarray(vector, dtype=np.float32)
        width = self._recipe.features(self._table.entry)[0].width
        if found.shape != (width,) or not np.isfinite(found).all():
            raise EmbfeastError(
                f"view {self._view.name!r} holds vectors of {width} finite numbers; the given one "
                f"has the shape {found.shape}"
                + ("" if found.shape != (width,) else " and a number that is not finite")
            )
        return found

    def _of_text(self, text: str) -> NDArray[np.float32]:
        if is_missing(text):
            raise EmbfeastError("a blank text is similar to nothing; give one with words")
        entry = self._table.entry
        made: NDArray[np.float32] = self._recipe.matrices([text], [entry])[entry][0]
        return made

    def _of_key(self, key: Mapping[str, Any], online: bool) -> NDArray[np.float32]:
        if online:
            found = online_vectors(self._store, self._view, [key])[0][0]
        else:
            found = stored_vector(self._folder, self._table.keys, self._feature, key, self._as_of)
        if found is None:
            raise EmbfeastError(
                f"view {self._view.name!r} has no vector of {dict(key)}: its text is blank, or it "
                "is not materialized"
            )
        return np.array(found, dtype=np.float32)

    def offline(
        self, query: NDArray[np.float32], k: int, key: Mapping[str, Any] | None
    ) -> pa.Table:
        """Compare with every vector of the offline table."""
        return exact_search(
            self._folder,
            self._table.keys,
            self._feature,
            query,
            k=k,
            metric=self._metric,
            as_of=self._as_of,
            without=key,
        )

    def online(self, query: NDArray[np.float32], k: int, key: Mapping[str, Any] | None) -> pa.Table:
        """Let the online store propose keys, and compare with their vectors."""
        schema = self._table.schema
        columns = [schema.field(name) for name in self._table.keys]
        empty = pa.schema([*columns, (SCORE, pa.float64()), (EVENT_TIME, MOMENT)]).empty_table()
        keys = [found for found in self._proposed(query, k + (key is not None)) if found != key]
        if not keys:
            return empty
        vectors, times = online_vectors(self._store, self._view, keys)
        whole = [i for i, vector in enumerate(vectors) if vector is not None]
        if not whole:
            return empty
        matrix = np.array([vectors[i] for i in whole], dtype=np.float32)
        rows = {
            field.name: pa.array([keys[i][field.name] for i in whole], field.type)
            for field in columns
        }
        rows[SCORE] = pa.array(scores(matrix, query, self._metric))
        rows[EVENT_TIME] = pa.array([times[i] for i in whole], MOMENT)
        return nearest(pa.table(rows), k, self._table.keys)

    def _proposed(self, query: NDArray[np.float32], k: int) -> list[dict[str, Any]]:
        kind = type(get_online_store_from_config(self._store.config.online_store)).__name__
        try:
            response = self._store.retrieve_online_documents_v2(
                features=[f"{self._view.name}:{self._feature}"],
                query=query.tolist(),
                top_k=k,
                distance_metric=STORE_METRICS.get(kind, STORE_METRICS[""])[self._metric],
            ).to_dict()
        except Exception as error:  # each store raises its own kinds
            raise EmbfeastError(
                f"view {self._view.name!r}: the online store ({kind}) cannot search: {error}; "
                "similar_texts(..., exact=True) searches the offline table"
            ) from error
        names = self._table.keys
        return [
            dict(zip(names, values, strict=True))
            for values in zip(*(response.get(name, []) for name in names), strict=True)
        ]


def _vector_fields(view: FeatureView) -> list[str]:
    return [field.name for field in view.features if "width" in (field.tags or {})]
