import numpy as np
import pytest

from embfeast import EmbfeastError, Recipe
from embfeast.evaluation import choose
from embfeast.evaluation.choose import JOINED
from embfeast.evaluation.sets import RAW

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [0, 1])
def test_without_signal_raw_embeddings_are_chosen(tickets, noise, recipe, cached, seed):
    chosen = choose(
        tickets[0], noise(seed), recipe, split="stratified", train_rows=150, encoder=cached
    )
    assert chosen.features == RAW
    assert list(chosen.recipe.settings.tricks) == [JOINED]


def test_what_helps_is_chosen_and_its_recipe_makes_one_vector(tickets, cached, tmp_path):
    texts = tickets[0]
    vectors = cached.encode(texts).astype(np.float64)
    axes = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[2][:2]
    parts = (vectors - vectors.mean(axis=0)) @ axes.T
    labels = np.where(parts[:, 0] * parts[:, 1] > 0, "same", "apart")
    recipe = Recipe(
        {
            "tricks": {
                "reduced": {"trick": "embedding_reducer", "n_components": 2},
                "products": {
                    "trick": "feature_synthesizer",
                    "input": "reduced",
                    "n_components": None,
                },
            }
        }
    )
    chosen = choose(texts, labels, recipe, split="stratified", encoder=cached)
    assert "products" in chosen.recipe.settings.tricks
    assert chosen.row.low > 0
    fitted = chosen.recipe.fit(texts, encoder=cached)
    made = fitted.transform(texts[:3], entries=[JOINED])[JOINED].to_pylist()
    assert len(made[0]) == chosen.row.width
    assert fitted.online_entries == [JOINED]
    (tmp_path / "recipe.yaml").write_text(chosen.recipe.to_yaml(), encoding="utf-8")
    assert Recipe.from_yaml(tmp_path / "recipe.yaml").settings == chosen.recipe.settings


def test_a_limit_on_width_is_kept_and_a_loss_must_be_accepted(tickets, recipe, cached):
    texts, labels = tickets
    common = {"split": "stratified", "folds": 4, "encoder": cached, "max_width": 12}
    common["train_rows"] = 200
    with pytest.raises(EmbfeastError, match=r"worse than raw embeddings.*tolerance=0\."):
        choose(texts, labels, recipe, **common)
    chosen = choose(texts, labels, recipe, tolerance=0.9, **common)
    assert chosen.row.width <= 12
    assert chosen.features != RAW
    with pytest.raises(EmbfeastError, match="no feature set fits into 2 numbers"):
        choose(texts, labels, recipe, **(common | {"max_width": 2}))
