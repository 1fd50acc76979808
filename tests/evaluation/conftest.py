import numpy as np
import pytest

from embfeast import Encoder, Recipe
from embfeast.encoding import EmbeddingCache


@pytest.fixture(scope="session")
def cached(tmp_path_factory) -> Encoder:
    return Encoder(cache=EmbeddingCache(tmp_path_factory.mktemp("embeddings")))


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return Recipe(
        {
            "tricks": {
                "similarity": {"trick": "anchor_similarity", "anchors": 6},
                "reduced": {"trick": "embedding_reducer", "n_components": 12},
                "near": {"trick": "cluster_features", "n_clusters": 5},
            }
        }
    )


@pytest.fixture(scope="session")
def noise(tickets):
    """Labels that know nothing of the texts."""
    return lambda seed: np.random.default_rng(seed).choice(["a", "b"], size=len(tickets[0]))
