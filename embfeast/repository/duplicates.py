"""Candidates for a duplicate, with the features of each pair and a classifier's score."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureStore, FeatureView, OnDemandFeatureView
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.plugin.feature_table import ENTRY_TAG, PREFIX_TAG
from embfeast.plugin.online.status import STATUS
from embfeast.repository.repository import Repository
from embfeast.repository.similar import (
    check_current,
    online_vectors,
    similar_texts,
    typed_key,
    vector_of,
    vector_view,
)
from embfeast.tables.exact_search import SCORE

PROBABILITY = "probability"


def duplicate_candidates(
    store: FeatureStore | Repository,
    service: str,
    *,
    key: Mapping[str, Any] | None = None,
    text: str | None = None,
    k: int = 10,
    view: str | None = None,
    model: Any = None,
) -> pa.Table:
    """Find the stored texts that may be duplicates of a text, with what a model asks for.

    Parameters
    ----------
    store : FeatureStore or Repository
    service : str
        A feature service with a view made by `pair_view`.
    key : mapping, optional
        A stored text, ``{"ticket_id": 17}``. Its pair features are looked up in one request.
    text : str, optional
        A text that nobody has stored: its pair features are computed from its own vector and the
        candidates' online ones. Give one of the two.
    k : int, default 10
        Most candidates.
    view : str, optional
        Whose vectors are searched; by default the view that the pair reads, or, where it reads a
        query and a document, the documents' for the query.
    model : classifier, optional
        Fitted on the pair vectors, with ``predict_proba``; its last class is the duplicate.

    Returns
    -------
    pyarrow.Table of at most k rows
        The candidate's key under the service's name for it (``other_ticket_id``), ``score`` (the
        cosine), ``event_timestamp``, the pair's features and, with a model, ``probability``. The
        likeliest come first. A candidate that is not online has null pair features.

    Raises
    ------
    EmbfeastError
        As `similar_texts`; or the service has no view of pairs.
    """
    if (key is None) == (text is None):
        raise EmbfeastError("give one of key and text")
    repository = Repository.of(store)
    pair = _Pair(repository, service)
    key = typed_key(repository, pair.left, key) if key is not None else None
    if view is None and pair.reads_two:  # the query's neighbours among queries are not asked for
        found = pair.documents(key, text, k)
    else:
        found = similar_texts(repository, view or pair.left.name, key=key, text=text, k=k)
    candidates = found.select(pair.keys).to_pylist()
    if not candidates:
        vectors: list[list[float] | None] = []
    elif key is not None:
        vectors = pair.stored(key, candidates)
    else:
        vectors = pair.live(str(text), candidates)
    return _ranked(found.rename_columns(pair.names(found)), pair.output, vectors, model)


class _Pair:
    """A service's view of pairs, and the two stored views that it reads."""

    def __init__(self, repository: Repository, service: str) -> None:
        self._repository = repository
        self._store = repository.store
        self._service = self._store.get_feature_service(service)
        self._view = self._pair_view()
        names = list(self._view.source_feature_view_projections)
        views = [vector_view(repository, name) for name in names]
        self.left: FeatureView = next(v for v in views if PREFIX_TAG not in v.tags)
        self.right: FeatureView = next(v for v in views if PREFIX_TAG in v.tags)
        self.reads_two = self.left.tags[ENTRY_TAG] != self.right.tags[ENTRY_TAG]
        self._prefix = self.right.tags[PREFIX_TAG]
        self.keys = [field.name for field in self.left.entity_columns]
        self.output = str(self._view.features[0].name)

    def _pair_view(self) -> OnDemandFeatureView:
        known = {view.name: view for view in self._store.list_on_demand_feature_views()}
        for projection in self._service.feature_view_projections:
            view = known.get(projection.name)
            if view and ENTRY_TAG in view.tags and len(view.source_feature_view_projections) == 2:
                return view
        raise EmbfeastError(
            f"service {self._service.name!r} has no view of pairs",
            "put one made by embfeast.plugin.pair_view into it",
        )

    def names(self, found: pa.Table) -> list[str]:
        """Return the found columns' names, keys with the prefix of the pair's other text."""
        return [self._prefix + n if n in self.keys else n for n in found.column_names]

    def documents(self, key: Mapping[str, Any] | None, text: str | None, k: int) -> pa.Table:
        """Find the texts whose right vectors are nearest to a text's left one."""
        query = vector_of(self._repository, self.left, key=key, text=text)
        most = k + (key is not None and k > 0)  # it may find itself
        found = similar_texts(self._repository, self.right.name, vector=query, k=most)
        found = found.rename_columns([*self.keys, *found.column_names[len(self.keys) :]])
        rows = found.select(self.keys).to_pylist()
        others = [place for place, row in enumerate(rows) if row != key]
        return found.take(pa.array(others[:k], pa.int64()))

    def stored(
        self, key: Mapping[str, Any], candidates: list[dict[str, Any]]
    ) -> list[list[float] | None]:
        """Look the features of stored pairs up, all in one request."""
        rows = [dict(key) | other for other in self._others(candidates)]
        response = self._store.get_online_features(self._service, rows).to_dict()
        check_current(self._view.name, response.get(STATUS, []))
        vectors: list[list[float] | None] = response[self.output]
        return vectors

    def live(self, text: str, candidates: list[dict[str, Any]]) -> list[list[float] | None]:
        """Compute the features of a new text's pairs with stored ones."""
        recipe = self._repository.serving_recipe(self.left)
        entry = self._view.tags[ENTRY_TAG]
        read = self.left.tags[ENTRY_TAG]
        own = recipe.matrices([text], [read])[read]
        others = online_vectors(self._store, self.right, self._others(candidates))[0]
        whole = [i for i, vector in enumerate(others) if vector is not None]
        made: list[list[float] | None] = [None] * len(others)
        if whole:
            right = np.array([others[i] for i in whole], dtype=np.float32)
            left = np.repeat(own, len(whole), axis=0)
            vectors = recipe.transform_pairs(entry, left, right).tolist()
            for i, vector in zip(whole, vectors, strict=True):
                made[i] = vector
        return made

    def _others(self, candidates: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return keys as those of the pair's other text."""
        return [{self._prefix + name: value for name, value in one.items()} for one in candidates]


def _ranked(
    found: pa.Table, output: str, vectors: list[list[float] | None], model: Any
) -> pa.Table:
    found = found.append_column(output, pa.array(vectors, pa.list_(pa.float32())))
    if model is None:
        return found
    whole = [i for i, vector in enumerate(vectors) if vector is not None]
    probabilities: NDArray[np.float64] = np.full(len(vectors), np.nan)
    if whole:
        pairs = np.array([vectors[i] for i in whole], dtype=np.float32)
        probabilities[whole] = model.predict_proba(pairs)[:, -1]
    found = found.append_column(PROBABILITY, pa.array(probabilities, mask=np.isnan(probabilities)))
    order = [(PROBABILITY, "descending"), (SCORE, "descending")]
    return found.take(pc.sort_indices(found, sort_keys=order))
