"""The tricks by their names in a recipe, in the order in which `init` proposes them.

Everything else is said by the trick itself: see `embfeast.tricks.trick.Trick`.
"""

from embfeast.tricks.anchor_similarity import AnchorSimilarity
from embfeast.tricks.block_join import BlockJoin
from embfeast.tricks.cluster_features import ClusterFeatures
from embfeast.tricks.embedding_reducer import EmbeddingReducer
from embfeast.tricks.entity_history import EntityHistory
from embfeast.tricks.feature_synthesizer import FeatureSynthesizer
from embfeast.tricks.labelled_neighbours import LabelledNeighbours
from embfeast.tricks.pair_interaction import PairInteraction
from embfeast.tricks.plain_embedding import PlainEmbedding
from embfeast.tricks.query_embedding import QueryEmbedding
from embfeast.tricks.token_pooler import TokenPooler
from embfeast.tricks.trick import Trick
from embfeast.tricks.whitener import Whitener
from embfeast.tricks.word_features import WordFeatures

TRICKS: dict[str, type[Trick]] = {
    "embedding": PlainEmbedding,
    "anchor_similarity": AnchorSimilarity,
    "embedding_reducer": EmbeddingReducer,
    "cluster_features": ClusterFeatures,
    "whitener": Whitener,
    "token_pooler": TokenPooler,
    "feature_synthesizer": FeatureSynthesizer,
    "pair_interaction": PairInteraction,
    "labelled_neighbours": LabelledNeighbours,
    "entity_history": EntityHistory,
    "word_features": WordFeatures,
    "query_embedding": QueryEmbedding,
    "join": BlockJoin,
}
