"""Text in, vectors out: tokenising, the model, pooling, the embedding cache."""

from embfeast.encoding.cache import EmbeddingCache
from embfeast.encoding.encoder import Encoder
from embfeast.encoding.model import DEFAULT_MODEL
from embfeast.encoding.pooling import Pooling

__all__ = ["DEFAULT_MODEL", "EmbeddingCache", "Encoder", "Pooling"]
