import pytest

from embfeast import EmbfeastError
from embfeast.plugin import live


def test_an_unknown_recipe_names_the_folders_that_were_searched(monkeypatch, tmp_path):
    monkeypatch.setattr(live, "_folders", {tmp_path: None})
    with pytest.raises(EmbfeastError, match=str(tmp_path)):
        live.serving_recipe("0" * 64)


def test_inputs_are_found_by_their_full_name_too():
    assert live._column({"view__x": [1], "y": [2]}, "x") == [1]
    with pytest.raises(EmbfeastError, match="lacks 'z'; it has y"):
        live._column({"y": [2]}, "z")
