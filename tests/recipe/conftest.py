import pytest

from embfeast import Recipe

TEXTS = [
    "I was charged twice for my order",
    "The invoice shows the wrong tax number",
    "My parcel has not arrived",
    "Where is my delivery?",
    "I cannot log in",
    "The password reset mail never comes",
    "The app crashes when I open it",
    "Error 500 after the update",
    "Please cancel my subscription",
    "How do I export my data?",
]
SETTINGS = {
    "name": "small",
    "tricks": {
        "embedding": {"trick": "embedding"},
        "similarity": {
            "trick": "anchor_similarity",
            "anchors": {"billing": ["billing issue", "wrong charge"], "login": "login problem"},
        },
        "reduced": {"trick": "embedding_reducer", "n_components": 4},
        "cluster": {"trick": "cluster_features", "n_clusters": 3},
        "whitened": {"trick": "whitener"},
        "pooled": {"trick": "token_pooler", "pooling": ["mean", "max"]},
        "products": {"trick": "feature_synthesizer", "input": "reduced", "n_components": None},
        "pair": {"trick": "pair_interaction", "input": "reduced", "n_components": 3},
    },
}


@pytest.fixture(scope="package")
def texts():
    return list(TEXTS)


@pytest.fixture(scope="package")
def recipe():
    return Recipe(SETTINGS)


@pytest.fixture(scope="package")
def fitted(recipe):
    return recipe.fit(TEXTS)
