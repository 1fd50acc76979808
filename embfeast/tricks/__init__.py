"""The seven tricks: scikit-learn transformers from sentence embeddings to features."""

from embfeast.tricks.anchor_similarity import AnchorSimilarity
from embfeast.tricks.cluster_features import ClusterFeatures
from embfeast.tricks.embedding_reducer import EmbeddingReducer
from embfeast.tricks.feature_synthesizer import FeatureSynthesizer
from embfeast.tricks.pair_interaction import PairInteraction
from embfeast.tricks.token_pooler import TokenPooler
from embfeast.tricks.whitener import Whitener

__all__ = [
    "AnchorSimilarity",
    "ClusterFeatures",
    "EmbeddingReducer",
    "FeatureSynthesizer",
    "PairInteraction",
    "TokenPooler",
    "Whitener",
]
