import pytest

from embfeast import EmbfeastError
from embfeast.plugin import live


def test_an_unknown_recipe_names_the_folders_that_were_searched(monkeypatch, tmp_path):
    monkeypatch.setattr(live, "_folders", {tmp_path: None})
    with pytest.raises(EmbfeastError, match=str(tmp_path)):
        live.serving_recipe("0" * 64)


@pytest.mark.parametrize("first", [0, 1])
def test_a_folder_that_cannot_be_reached_hides_no_other(monkeypatch, first):
    folders = ["s3://gone/recipes", "here"][:: 1 - 2 * first]

    def has_version(folder, digest):
        if folder != "here":
            raise EmbfeastError(f"{folder} cannot be read")
        return digest == "1" * 64

    monkeypatch.setattr(live, "_folders", dict.fromkeys(folders))
    monkeypatch.setattr(live, "has_version", has_version)
    monkeypatch.setattr(live, "load_version", lambda *_, **__: "the recipe")
    live.serving_recipe.cache_clear()
    assert live.serving_recipe("1" * 64) == "the recipe"
    with pytest.raises(EmbfeastError, match="s3://gone/recipes cannot be read"):
        live.serving_recipe("2" * 64)
    live.serving_recipe.cache_clear()


def test_inputs_are_found_by_their_full_name_too():
    assert live._column({"view__x": [1], "y": [2]}, "x") == [1]
    with pytest.raises(EmbfeastError, match="lacks 'z'; it has y"):
        live._column({"y": [2]}, "z")
