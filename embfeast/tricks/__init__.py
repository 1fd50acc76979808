"""The tricks, scikit-learn transformers from embeddings to features, and their encoder."""

from typing import TYPE_CHECKING

from embfeast.lazy import attributes

if TYPE_CHECKING:
    from embfeast.tricks.anchor_similarity import AnchorSimilarity
    from embfeast.tricks.cluster_features import ClusterFeatures
    from embfeast.tricks.embedding_reducer import EmbeddingReducer
    from embfeast.tricks.entity_history import EntityHistory
    from embfeast.tricks.feature_synthesizer import FeatureSynthesizer
    from embfeast.tricks.labelled_neighbours import LabelledNeighbours
    from embfeast.tricks.pair_interaction import PairInteraction
    from embfeast.tricks.sentence_encoder import SentenceEncoder
    from embfeast.tricks.token_pooler import TokenPooler
    from embfeast.tricks.whitener import Whitener
    from embfeast.tricks.word_features import WordFeatures

# Imported on first use: scikit-learn takes a second, and what reads rows needs only `parts`.
_LAZY = {
    "AnchorSimilarity": "anchor_similarity",
    "ClusterFeatures": "cluster_features",
    "EmbeddingReducer": "embedding_reducer",
    "EntityHistory": "entity_history",
    "FeatureSynthesizer": "feature_synthesizer",
    "LabelledNeighbours": "labelled_neighbours",
    "PairInteraction": "pair_interaction",
    "SentenceEncoder": "sentence_encoder",
    "TokenPooler": "token_pooler",
    "Whitener": "whitener",
    "WordFeatures": "word_features",
}
__all__ = [
    "AnchorSimilarity",
    "ClusterFeatures",
    "EmbeddingReducer",
    "EntityHistory",
    "FeatureSynthesizer",
    "LabelledNeighbours",
    "PairInteraction",
    "SentenceEncoder",
    "TokenPooler",
    "Whitener",
    "WordFeatures",
]

__getattr__ = attributes(__name__, _LAZY)
