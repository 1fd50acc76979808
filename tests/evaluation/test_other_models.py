"""Another model's plain vectors stand beside raw, on the same folds."""

import numpy as np
import pytest

from embfeast import EmbfeastError
from embfeast.evaluation import evaluate
from embfeast.evaluation.other_models import other_models
from embfeast.evaluation.sets import RAW, feature_sets


@pytest.mark.slow
def test_another_model_is_compared_row_by_row_and_its_speed_is_told(tickets, recipe, cached):
    texts, labels = tickets
    given = ["{backend: onnx}", "{truncate_dim: 2}"]
    others = other_models(recipe.settings.model, given, cached.cache)
    found = evaluate(
        texts,
        labels,
        recipe,
        split="stratified",
        folds=3,
        sets=feature_sets(recipe.settings)[:1],
        others=others,
        encoder=cached,
    )
    same, short = found.row("raw, backend onnx"), found.row("raw, truncate_dim 2")
    assert (same.difference, same.low, same.high) == (0, 0, 0), "they are the same vectors"
    assert same.score == found.row(RAW).score
    assert short.verdict == "harms"
    assert short.width == 2
    (told,) = [note for note in found.notes if "texts encoded a second" in note]
    for name in (RAW, "raw, backend onnx", "raw, truncate_dim 2"):
        assert f"{name} " in told


def test_vectors_of_another_model_are_those_of_its_encoder(cached):
    (one,) = other_models("all-MiniLM-L6-v2", ["{truncate_dim: 5, normalize: true}"])
    made = one.encoder.encode(["Where is my parcel?"])
    whole = cached.encode(["Where is my parcel?"])[:, :5]
    assert one.name == "raw, truncate_dim 5, normalize True"
    assert np.allclose(made, whole / np.linalg.norm(whole))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("[1, 2]", "is no name and no settings"),
        ("{precision", "is no name and no settings"),
        ("{precision: int7}", "precision"),
        ("{}", "is no name and no settings"),
    ],
)
def test_what_is_no_model_is_refused(given, said):
    with pytest.raises(EmbfeastError, match=said):
        other_models("all-MiniLM-L6-v2", [given])
