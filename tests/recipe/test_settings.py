from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import TypeAliasType

from embfeast import EmbfeastError, Recipe
from embfeast.recipe.settings import _without_arrays, settings_model
from embfeast.tricks.registry import TRICKS


def write(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("tricks: {a: {trick: embeding}}", r"tricks\.a.*unknown trick 'embeding'.*'embedding'"),
        (
            "tricks: {a: {trick: embedding_reducer, n_componnts: 3}}",
            r"tricks\.a.*unknown setting 'n_componnts'.*did you mean 'n_components'",
        ),
        (
            "tricks: {a: {trick: embedding_reducer, method: tsne}}",
            r"tricks\.a.*method.*pca",
        ),
        ("tricks: {a: {trick: whitener, strength: much}}", r"tricks\.a.*strength"),
        ("tricks: {A-b: {trick: embedding}}", r"tricks\.A-b"),
        ("tricks: {}", r"tricks: .*at least 1"),
        ("trikcs: {a: {trick: embedding}}", r"trikcs: Extra inputs"),
        ("tricks: {a: {prefix: x_}}", r"tricks\.a\.trick: Field required"),
        ("tricks: {a: {trick: whitener, input: b}}", r"tricks\.a\.input: 'b' is no earlier entry"),
        (
            "tricks: {a: {trick: token_pooler, input: embedding, pooling: [mean, median]}}",
            r"tricks\.a.*pooling",
        ),
        ("tricks: {a: {trick: anchor_similarity, anchors: x}}", r"tricks\.a.*anchors"),
        ("fit_rows: 0\ntricks: {a: {trick: embedding}}", r"fit_rows: .*greater than or equal to 1"),
        ("just a text", "a recipe is a mapping"),
        ("tricks: [", "not valid YAML"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, yaml, message):
    with pytest.raises(EmbfeastError, match=message):
        Recipe.from_yaml(write(tmp_path, yaml))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EmbfeastError, match=r"nowhere\.yaml cannot be read"):
        Recipe.from_yaml(tmp_path / "nowhere.yaml")


def test_yaml_runs_no_code(tmp_path):
    path = write(tmp_path, "tricks: !!python/object/apply:os.system ['exit 1']")
    with pytest.raises(EmbfeastError, match="not valid YAML"):
        Recipe.from_yaml(path)


@pytest.mark.parametrize("trick", sorted(TRICKS.keys() - {"embedding", "query_embedding"}))
def test_every_trick_takes_its_own_settings_from_its_constructor(trick):
    fields = settings_model(trick).model_fields
    assert "random_state" not in fields
    assert fields, f"{trick} has settings"


def test_the_sample_recipe_is_valid():
    from pathlib import Path

    recipe = Recipe.from_yaml(Path(__file__).parents[2] / "feature_repo" / "recipe.yaml")
    used = {entry.trick for entry in recipe.settings.tricks.values()}
    assert used == TRICKS.keys() - {"join", "query_embedding"}


def test_a_named_array_type_is_left_out_of_a_tricks_settings():
    """From NumPy 2.5 on `NDArray` is such a name, and no array type itself."""
    element = TypeVar("element", bound=np.generic)
    named = TypeAliasType("NDArray", np.ndarray[Any, np.dtype[element]], type_params=(element,))
    for array in (named[np.float32], NDArray[np.float32], np.ndarray):
        assert _without_arrays(list[str] | array | None) == list[str] | None
        assert _without_arrays(array) is Any
