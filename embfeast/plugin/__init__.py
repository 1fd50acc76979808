"""The Feast side: text source, offline store, compute engine, provider, view factories."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embfeast.plugin.compute_engine import EmbeddingComputeEngine, EmbeddingComputeEngineConfig
    from embfeast.plugin.duplicates import duplicate_candidates
    from embfeast.plugin.offline_store import DuckDBOfflineStore, DuckDBOfflineStoreConfig
    from embfeast.plugin.provider import EmbeddingProvider
    from embfeast.plugin.registry_store import AtomicFileRegistryStore
    from embfeast.plugin.similar import similar_texts
    from embfeast.plugin.source import DuckDBSource
    from embfeast.plugin.views import feature_views, live_view, pair_view

# Feast loads stores by dotted path and looks for their configuration beside them. Each is
# imported on first use: the modules import each other's siblings, and Feast takes a second.
_LAZY = {
    "AtomicFileRegistryStore": "registry_store",
    "DuckDBOfflineStore": "offline_store",
    "DuckDBOfflineStoreConfig": "offline_store",
    "DuckDBSource": "source",
    "EmbeddingComputeEngine": "compute_engine",
    "EmbeddingComputeEngineConfig": "compute_engine",
    "EmbeddingProvider": "provider",
    "duplicate_candidates": "duplicates",
    "feature_views": "views",
    "live_view": "views",
    "pair_view": "views",
    "similar_texts": "similar",
}
__all__ = [
    "AtomicFileRegistryStore",
    "DuckDBOfflineStore",
    "DuckDBOfflineStoreConfig",
    "DuckDBSource",
    "EmbeddingComputeEngine",
    "EmbeddingComputeEngineConfig",
    "EmbeddingProvider",
    "duplicate_candidates",
    "feature_views",
    "live_view",
    "pair_view",
    "similar_texts",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"embfeast.plugin.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'embfeast.plugin' has no attribute {name!r}")
