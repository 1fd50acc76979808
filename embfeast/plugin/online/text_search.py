"""Feast's vector search by a text: the searched view says which vector the text has.

Feast asks for a query's vector before it says which view is searched, and a recipe has several: so
the text travels on as it is, and the provider, which is told the view, computes its vector.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from feast import FeatureView
from feast.embedder import get_embedding_provider
from feast.repo_config import EmbeddingModelConfig, RepoConfig

from embfeast.errors import EmbfeastError
from embfeast.plugin.feast_compat import in_order_of_answer
from embfeast.plugin.feature_table import DIGEST_TAG, ENTRY_TAG, is_ours
from embfeast.plugin.live import check_text, serving_recipe
from embfeast.plugin.online.expiry import oldest_valid
from embfeast.recipe.encoded import is_missing

Search = Callable[..., list[Any]]


class TextQueries:
    """What Feast calls an embedding provider: it lets text queries reach the searched view.

    ``FeatureStore(repo_path=..., embedding_provider=TextQueries())`` answers `openai_search` with
    the recipe's own bits; `embfeast.plugin.serving.prepare` gives it to Feast's server. Needs
    ``provider: embfeast.plugin.TextFeatureProvider``.
    """

    def embed(self, texts: list[str]) -> list[Any]:
        """Return the texts: their vectors depend on the view that is searched."""
        return list(texts)

    async def aembed(self, texts: list[str]) -> list[Any]:
        """Do the same."""
        return self.embed(texts)


def search_texts(search: Search, config: RepoConfig, asked: dict[str, Any], longest: int) -> Any:
    """Search the view that is asked for, by a vector or by a text, and return what Feast reads.

    Parameters
    ----------
    search : callable
        Feast's own, by a vector.
    config : RepoConfig
    asked : dict
        What it is asked; `embedding` may be a text, and so may `query_string` for a view of ours,
        which has no words of its own to look for.
    longest : int
        Characters that a text may have.
    """
    view, query, words = asked["table"], asked["embedding"], asked.get("query_string")
    if not is_ours(view):
        if isinstance(query, str):
            asked = asked | {"embedding": _of_feast(config.embedding_model, view, query)}
        return in_order_of_answer(_valid(search, asked))
    text = words if query is None else query
    if isinstance(text, str):
        asked = asked | {"embedding": query_vector(view, text, longest)}
    # Milvus searches a field that is asked for alone; the digest tells whose values are found.
    needed = [_vector(view), f"{view.name}_digest"]
    wanted = [*dict.fromkeys([*(asked["requested_features"] or []), *needed])]
    found = _valid(search, asked | {"requested_features": wanted, "query_string": None})
    _refuse_other_recipes(view, found)
    return in_order_of_answer(found)


def _valid(search: Search, asked: dict[str, Any]) -> list[Any]:
    """Search until as many rows within the view's ttl are found as are asked for, or all are."""
    oldest, wanted = oldest_valid(asked["table"]), asked["top_k"]
    if oldest is None:
        return search(**asked)
    limit = wanted
    while True:
        found = search(**asked | {"top_k": limit})
        valid = [one for one in found if _aware(one[0]) >= oldest]
        if len(valid) >= wanted or len(found) < limit:
            return valid[:wanted]
        limit *= 2


def _aware(moment: datetime) -> datetime:
    """Return a row's event time, which some stores give without its zone, UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def query_vector(view: FeatureView, text: str, longest: int) -> list[float]:
    """Return the vector that a text has in a view: as if it were stored there."""
    check_text(text, longest, "the query")
    if is_missing(text):
        raise EmbfeastError("a blank text is similar to nothing", "give one with words")
    _vector(view)
    entry = view.tags[ENTRY_TAG]
    made = serving_recipe(view.tags[DIGEST_TAG]).matrices([text], [entry])[entry][0]
    vector: list[float] = made.tolist()
    return vector


def _vector(view: FeatureView) -> str:
    for field in view.features:
        if field.vector_index:
            return str(field.name)
    raise EmbfeastError(
        f"view {view.name!r} holds single numbers, not a vector",
        "search the view of an entry that makes one, such as the embedding",
    )


def _refuse_other_recipes(view: FeatureView, found: Sequence[tuple[Any, Any, Any]]) -> None:
    column, digest = f"{view.name}_digest", view.tags[DIGEST_TAG]
    made_by = [features[column].string_val for _, _, features in found if features]
    others = [other for other in made_by if other != digest]
    if others:
        raise EmbfeastError(
            f"view {view.name!r}: {len(others)} of {len(made_by)} vectors found are of recipe "
            f"{others[0][:12]}, which cannot be compared with those of {digest[:12]}",
            "materialize",
        )


def _of_feast(model: EmbeddingModelConfig | None, view: FeatureView, text: str) -> list[float]:
    if model is None:
        raise EmbfeastError(
            f"view {view.name!r} is not computed by a recipe, so a text has no vector there",
            "give a vector, or set embedding_model in feature_store.yaml for such views",
        )
    vector: list[float] = _feasts_embedder(model.provider, model.model).embed([text])[0]
    return vector


@lru_cache(maxsize=2)
def _feasts_embedder(provider: str, model: str) -> Any:
    return get_embedding_provider(EmbeddingModelConfig(provider=provider, model=model))
