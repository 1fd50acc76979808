import pytest

from embfeast import EmbfeastError, Recipe
from embfeast.recipe.versions import (
    current_digest,
    load_current,
    load_version,
    make_current,
    save_version,
)


@pytest.fixture(scope="module")
def two(texts):
    recipe = Recipe({"tricks": {"embedding": {"trick": "embedding"}}})
    return recipe.fit(texts), recipe.fit(texts[1:])


def test_the_last_fitted_recipe_is_current_and_older_ones_stay(two, tmp_path):
    for fitted in two:
        save_version(tmp_path, fitted)
        assert current_digest(tmp_path) == fitted.digest
        assert load_current(tmp_path).digest == fitted.digest
    assert load_version(tmp_path, two[0].digest).digest == two[0].digest


def test_saving_a_version_again_makes_it_current(two, tmp_path):
    for fitted in [*two, two[0]]:
        save_version(tmp_path, fitted)
    assert current_digest(tmp_path) == two[0].digest


def test_an_earlier_recipe_is_made_current_by_the_start_of_its_digest(two, tmp_path):
    for fitted in two:
        save_version(tmp_path, fitted)
    assert make_current(tmp_path, two[0].digest[:12]).digest == two[0].digest
    assert load_current(tmp_path).digest == two[0].digest
    for wrong in ("", "no digest", "../recipe"):
        with pytest.raises(EmbfeastError, match=f"0 recipes.*{two[1].digest[:12]}"):
            make_current(tmp_path, wrong)
    (tmp_path / two[1].digest / "state.safetensors").write_bytes(b"")
    with pytest.raises(EmbfeastError, match="cannot be read"):
        make_current(tmp_path, two[1].digest)
    assert current_digest(tmp_path) == two[0].digest, "a damaged one is not made current"


def test_no_recipe_an_unknown_one_and_one_under_anothers_name_are_told_apart(two, tmp_path):
    with pytest.raises(EmbfeastError, match="fit one first"):
        load_current(tmp_path)
    folder = save_version(tmp_path, two[0])
    with pytest.raises(EmbfeastError, match="is not in"):
        load_version(tmp_path, "../recipe")
    folder.rename(tmp_path / two[1].digest)
    with pytest.raises(EmbfeastError, match="under another's name"):
        load_version(tmp_path, two[1].digest)
