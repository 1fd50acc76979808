import json

import pytest

from embfeast import EmbfeastError, FittedRecipe


@pytest.fixture
def folder(fitted, tmp_path):
    fitted.save(tmp_path / "recipe")
    return tmp_path / "recipe"


def test_a_recipe_on_disk_is_json_and_safetensors_alone(folder):
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "state.safetensors"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["record"]["rows"] == 10


def test_saving_twice_writes_the_same_bytes_and_leaves_nothing_behind(fitted, folder):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    fitted.save(folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in folder.parent.iterdir()] == ["recipe"]


@pytest.mark.parametrize("name", ["manifest.json", "state.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(EmbfeastError, match=name.replace(".", r"\.")):
        FittedRecipe.load(folder)


@pytest.mark.parametrize("position", [-1, 9, 400, 3000])
def test_one_flipped_bit_in_the_arrays_is_refused(folder, position):
    path = folder / "state.safetensors"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(EmbfeastError, match=r"state\.safetensors|was changed|manifest"):
        FittedRecipe.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["record"].update(as_of="2030-01-01T00:00:00+00:00"),
        lambda m: m["settings"]["tricks"]["reduced"]["settings"].update(n_components=3),
        lambda m: m.update(model_digest="0" * 64),
        lambda m: m["state"]["reduced"].clear(),
    ],
)
def test_a_changed_manifest_is_refused(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(EmbfeastError, match="was changed after it was saved"):
        FittedRecipe.load(folder)


def test_another_format_and_a_broken_manifest_are_refused(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 0}))
    with pytest.raises(EmbfeastError, match="has format 0"):
        FittedRecipe.load(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(EmbfeastError, match="cannot be read"):
        FittedRecipe.load(folder)


def test_a_folder_that_is_not_there_says_to_fit_first(tmp_path):
    with pytest.raises(EmbfeastError, match="fit first"):
        FittedRecipe.load(tmp_path / "nothing")
