"""The Feast side: text source, offline store, compute engine, provider, view factories."""

from typing import TYPE_CHECKING

from embfeast.lazy import attributes

if TYPE_CHECKING:
    from embfeast.plugin.engine.compute_engine import EmbeddingComputeEngine
    from embfeast.plugin.entity_views import history_views
    from embfeast.plugin.offline_store import DuckDBOfflineStore, DuckDBOfflineStoreConfig
    from embfeast.plugin.online.text_search import TextQueries
    from embfeast.plugin.provider import EmbeddingProvider, TextFeatureProvider
    from embfeast.plugin.registry_store import AtomicFileRegistryStore
    from embfeast.plugin.settings import EmbeddingComputeEngineConfig
    from embfeast.plugin.source import DuckDBSource
    from embfeast.plugin.views import feature_views, live_view, pair_view

# Feast loads stores by dotted path and looks for their configuration beside them. Each is
# imported on first use: the modules import each other's siblings, and Feast takes a second.
_LAZY = {
    "AtomicFileRegistryStore": "registry_store",
    "DuckDBOfflineStore": "offline_store",
    "DuckDBOfflineStoreConfig": "offline_store",
    "DuckDBSource": "source",
    "EmbeddingComputeEngine": "engine.compute_engine",
    "EmbeddingComputeEngineConfig": "settings",
    "EmbeddingProvider": "provider",
    "TextFeatureProvider": "provider",
    "TextQueries": "online.text_search",
    "feature_views": "views",
    "history_views": "entity_views",
    "live_view": "views",
    "pair_view": "views",
}
__all__ = [
    "AtomicFileRegistryStore",
    "DuckDBOfflineStore",
    "DuckDBOfflineStoreConfig",
    "DuckDBSource",
    "EmbeddingComputeEngine",
    "EmbeddingComputeEngineConfig",
    "EmbeddingProvider",
    "TextFeatureProvider",
    "TextQueries",
    "feature_views",
    "history_views",
    "live_view",
    "pair_view",
]

__getattr__ = attributes(__name__, _LAZY)
