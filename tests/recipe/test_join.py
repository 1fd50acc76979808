import numpy as np
import pytest

from embfeast import EmbfeastError, Recipe


def test_a_recipe_joins_entries_into_one_vector_and_saves_it(tmp_path, texts):
    recipe = Recipe(
        {
            "tricks": {
                "pooled": {"trick": "token_pooler", "pooling": ["mean", "max"]},
                "small": {"trick": "embedding_reducer", "input": "pooled", "n_components": 3},
                "near": {"trick": "cluster_features", "n_clusters": 2, "outputs": ["distances"]},
                "ready": {"trick": "join", "inputs": ["embedding", "small", "near"]},
            }
        }
    )
    fitted = recipe.fit(texts)
    made = np.array(fitted.transform(texts, entries=["ready"])["ready"].to_pylist())
    assert made.shape == (len(texts), 384 + 3 + 2)
    for part in (made[:, :384], made[:, 384:387], made[:, 387:]):
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1, atol=1e-5)
    names = fitted.tricks["ready"].get_feature_names_out().tolist()
    assert names[383:388] == [
        "embedding_embedding_383",
        "small_component_00",
        "small_component_01",
        "small_component_02",
        "near_distance_00",
    ]
    fitted.save(tmp_path / "r")
    again = type(fitted).load(tmp_path / "r").transform(texts, entries=["ready"])
    assert np.array_equal(np.array(again["ready"].to_pylist()), made)


@pytest.mark.parametrize(
    ("tricks", "message"),
    [
        ({"j": {"trick": "join", "inputs": ["later"]}}, "'later' is no earlier entry"),
        ({"j": {"trick": "join"}}, "lists the entries it joins"),
        ({"w": {"trick": "whitener", "inputs": ["embedding"]}}, "a whitener reads one entry"),
        ({"j": {"trick": "join", "inputs": ["embedding"], "scale": "max"}}, "unit"),
    ],
)
def test_a_wrong_join_is_said(tricks, message):
    with pytest.raises(EmbfeastError, match=message):
        Recipe({"tricks": tricks})


def test_cluster_numbers_cannot_stand_in_a_vector(texts):
    tricks = {
        "near": {"trick": "cluster_features", "n_clusters": 2},
        "ready": {"trick": "join", "inputs": ["near"]},
    }
    with pytest.raises(EmbfeastError, match="'near' gives cluster, a number that names something"):
        Recipe({"tricks": tricks}).fit(texts)
