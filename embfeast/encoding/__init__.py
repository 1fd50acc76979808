"""Text in, vectors out: tokenising, the model, pooling, the embedding cache."""

from embfeast.encoding.cache import EmbeddingCache
from embfeast.encoding.encoder import Encoder
from embfeast.encoding.pooling import Pooling
from embfeast.encoding.settings import DEFAULT_MODEL, ModelSettings

__all__ = ["DEFAULT_MODEL", "EmbeddingCache", "Encoder", "ModelSettings", "Pooling"]
