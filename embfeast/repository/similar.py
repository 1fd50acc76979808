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
from embfeast.plugin.feast_compat import metric_name
from embfeast.plugin.feature_table import is_served
from embfeast.plugin.online.expiry import oldest_valid
from embfeast.plugin.online.status import CURRENT, EXPIRED, MISSING, STATUS
from embfeast.repository.repository import Repository
from embfeast.tables.columns import EVENT_TIME, MOMENT
from embfeast.tables.exact_search import METRICS, SCORE, Metric, exact_search, nearest, scores
from embfeast.tables.exact_search import stored_vector as find_vector
from embfeast.tables.table import Table


def similar_texts(
    store: FeatureStore | Repository,
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
    store : FeatureStore or Repository
    view : str
        A view of embfeast with one vector, such as that of the embedding or the whitened embedding.
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
        first; equal scores in the order of the keys. Missing and blank texts are never found, nor
        those that are older than the view's ttl, now or at `as_of`.

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
    repository = Repository.of(store)
    found = vector_view(repository, view)
    key = typed_key(repository, found, key) if key is not None else None
    search = _Search(repository, found, metric, as_of)
    online = as_of is None and not exact and can_search(repository.store, found)
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


def vector_view(repository: Repository, name: str) -> FeatureView:
    """Return a view of embfeast whose feature is one vector."""
    known = {view.name: view for view in repository.views}
    fitting = {n: v for n, v in known.items() if _vector_fields(v)}
    if name not in fitting:
        what = "holds single numbers, not a vector" if name in known else "is no view of ours"
        raise EmbfeastError(
            f"view {name!r} {what}",
            f"views with a vector are {', '.join(fitting) or '(none)'}",
        )
    return fitting[name]


def vector_of(
    repository: Repository,
    view: FeatureView,
    *,
    key: Mapping[str, Any] | None = None,
    text: str | None = None,
) -> NDArray[np.float32]:
    """Return the vector that a view holds of a key, or would hold of a text."""
    online = can_search(repository.store, view)
    return _Search(repository, view, "cosine", None).query(
        key=key, text=text, vector=None, online=online
    )


def vector_feature(view: FeatureView) -> str:
    """Return the name of a view's vector."""
    return _vector_fields(view)[0]


def typed_key(repository: Repository, view: FeatureView, key: Mapping[str, Any]) -> dict[str, Any]:
    """Return a key with values of the view's types: ``"17"`` from a command line is 17."""
    schema = repository.table(view).schema
    names = [field.name for field in view.entity_columns]
    if set(key) != set(names):
        raise EmbfeastError(
            f"view {view.name!r} has the key {', '.join(names)}", f"got {dict(key)}"
        )
    try:
        return {n: pa.scalar(key[n]).cast(schema.field(n).type).as_py() for n in names}
    except (pa.ArrowException, TypeError) as error:
        kinds = ", ".join(f"{name} ({schema.field(name).type})" for name in names)
        raise EmbfeastError(f"view {view.name!r}: key {dict(key)} is no {kinds}") from error


def online_vectors(
    store: FeatureStore, view: FeatureView, keys: Sequence[Mapping[str, Any]]
) -> tuple[list[list[float] | None], list[int]]:
    """Look up vectors of keys, and their event times in microseconds since 1970.

    Values of another recipe than the applied one are refused: they cannot be compared with its.
    """
    feature, digest = vector_feature(view), f"{view.name}_digest"
    response = store.get_online_features(
        [f"{view.name}:{feature}", f"{view.name}:{digest}"], [dict(key) for key in keys]
    )
    found = response.to_dict()
    check_current(view.name, found[STATUS])
    place = list(response.proto.metadata.feature_names.val).index(feature)
    moments = response.proto.results[place].event_timestamps  # to_dict gives whole seconds
    return found[feature], [moment.ToMicroseconds() for moment in moments]


def check_current(view: str, statuses: Sequence[str]) -> None:
    """Refuse values of another recipe than the applied one: they cannot be compared with its."""
    others = [status for status in statuses if status not in (CURRENT, EXPIRED, MISSING)]
    if others:
        raise EmbfeastError(
            f"view {view!r}: {len(others)} of {len(statuses)} online values are of {others[0]}, "
            "which cannot be compared with the applied one's",
            "materialize",
        )


class _Search:
    """One search: over which view, and by which metric."""

    def __init__(
        self, repository: Repository, view: FeatureView, metric: Metric, as_of: datetime | None
    ) -> None:
        self._store, self._view = repository.store, view
        self._table, self._recipe = repository.table(view), repository.serving_recipe(view)
        self._metric = metric
        self._as_of = as_of.replace(tzinfo=UTC) if as_of and as_of.tzinfo is None else as_of
        self._oldest = oldest_valid(view, self._as_of)
        self._feature = vector_feature(view)
        self._stored = Table.open(self._table.place)

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
        from embfeast.recipe.encoded import is_missing

        if is_missing(text):
            raise EmbfeastError("a blank text is similar to nothing", "give one with words")
        entry = self._table.entry
        made: NDArray[np.float32] = self._recipe.matrices([text], [entry])[entry][0]
        return made

    def _of_key(self, key: Mapping[str, Any], online: bool) -> NDArray[np.float32]:
        if online:
            found = online_vectors(self._store, self._view, [key])[0][0]
        else:
            where = self._stored, self._table.keys, self._feature
            found = find_vector(*where, key, self._as_of, self._oldest)
        if found is None:
            raise EmbfeastError(
                f"view {self._view.name!r} has no vector of {dict(key)}: its text is blank, older "
                "than the view's ttl, or not materialized"
            )
        return np.array(found, dtype=np.float32)

    def offline(
        self, query: NDArray[np.float32], k: int, key: Mapping[str, Any] | None
    ) -> pa.Table:
        """Compare with every vector of the offline table."""
        where = self._stored, self._table.keys, self._feature
        how: dict[str, Any] = {"metric": self._metric, "as_of": self._as_of, "without": key}
        how["oldest"] = self._oldest
        return exact_search(*where, query, k=k, **how)

    def online(self, query: NDArray[np.float32], k: int, key: Mapping[str, Any] | None) -> pa.Table:
        """Let the online store propose keys, and compare with their vectors."""
        schema = self._table.schema
        columns = [schema.field(name) for name in self._table.keys]
        columns += [pa.field(SCORE, pa.float64()), pa.field(EVENT_TIME, MOMENT)]
        keys = [found for found in self._proposed(query, k + (key is not None)) if found != key]
        vectors, times = online_vectors(self._store, self._view, keys) if keys else ([], [])
        whole = [i for i, vector in enumerate(vectors) if vector is not None]
        rows = [keys[i] | {EVENT_TIME: times[i]} for i in whole]
        if whole:
            matrix = np.array([vectors[i] for i in whole], dtype=np.float32)
            for row, score in zip(rows, scores(matrix, query, self._metric).tolist(), strict=True):
                row[SCORE] = score
        return nearest(pa.Table.from_pylist(rows, pa.schema(columns)), k, self._table.keys)

    def _proposed(self, query: NDArray[np.float32], k: int) -> list[dict[str, Any]]:
        kind = type(get_online_store_from_config(self._store.config.online_store)).__name__
        try:
            response = self._store.retrieve_online_documents_v2(
                features=[f"{self._view.name}:{self._feature}"],
                query=query.tolist(),
                top_k=k,
                distance_metric=metric_name(kind, self._metric),
            ).to_dict()
        except EmbfeastError:
            raise
        except Exception as error:  # each store raises its own kinds
            raise EmbfeastError(
                f"view {self._view.name!r}: the online store ({kind}) cannot search: {error}",
                "similar_texts(..., exact=True) searches the offline table",
            ) from error
        names = self._table.keys
        return [
            dict(zip(names, values, strict=True))
            for values in zip(*(response.get(name, []) for name in names), strict=True)
        ]


def _vector_fields(view: FeatureView) -> list[str]:
    return [field.name for field in view.features if "width" in (field.tags or {})]
