"""A recipe folder that is not what was saved is refused before anything of it is used."""

import json
import shutil
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError, FittedRecipe
from embfeast.recipe.versions import current_digest, load_version, save_version


@pytest.fixture
def folder(fitted, tmp_path):
    fitted.save(tmp_path / "recipe")
    return tmp_path / "recipe"


@given(st.integers(0), st.sampled_from(["state.safetensors", "manifest.json"]), st.integers(1, 255))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_one_changed_byte_is_refused(folder, place, name, change):
    path = folder / name
    sound = path.read_bytes()
    damaged = bytearray(sound)
    place %= len(damaged)
    damaged[place] = (damaged[place] + change) % 256
    path.write_bytes(bytes(damaged))
    try:
        # A blank for a line break, or another case of an escape, may say the same.
        if name == "manifest.json" and _says(bytes(damaged)) == _says(sound):
            return
        with pytest.raises(EmbfeastError):
            FittedRecipe.load(folder)
    finally:
        path.write_bytes(sound)


def _says(manifest):
    try:
        return json.loads(manifest)
    except ValueError:
        return None


def test_a_file_of_another_recipe_is_refused(folder, recipe, texts, tmp_path):
    recipe.fit(texts[:-1]).save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "state.safetensors", folder)
    with pytest.raises(EmbfeastError, match="was changed after it was saved"):
        FittedRecipe.load(folder)


def test_a_header_that_asks_for_terabytes_is_refused_before_memory_is_spent(folder):
    header = json.dumps(
        {"reduced/mean_": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}
    ).encode()
    (folder / "state.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 64)
    with pytest.raises(EmbfeastError, match=r"state.safetensors cannot be read"):
        FittedRecipe.load(folder)
    (folder / "state.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(EmbfeastError, match=r"state.safetensors cannot be read"):
        FittedRecipe.load(folder)


@pytest.mark.parametrize("kind", [0, 1, 3, "2", None])
def test_another_format_is_refused_by_number(folder, kind):
    _change(folder, format=kind)
    with pytest.raises(EmbfeastError, match=r"has format .* reads 2; fit the recipe again"):
        FittedRecipe.load(folder)


@pytest.mark.parametrize("name", ["__class__", "transform", "../x_", "settings", "fit_", "a b_"])
def test_state_that_is_no_fitted_attribute_is_refused(folder, name, monkeypatch):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["state"]["reduced"][name] = [1]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(EmbfeastError):  # by the digest already
        FittedRecipe.load(folder)
    monkeypatch.setattr("embfeast.recipe.artifact.digest", lambda *_: manifest["digest"])
    if name != "fit_":
        with pytest.raises(EmbfeastError, match="no fitted attribute"):
            FittedRecipe.load(folder)


@pytest.mark.parametrize("digest", ["../" * 21 + "x", "..", "/etc", "", "g" * 64, "A" * 64])
def test_a_digest_that_is_a_path_reaches_no_folder(fitted, tmp_path, digest):
    save_version(tmp_path, fitted)
    (tmp_path / "current").write_text(digest)
    with pytest.raises(EmbfeastError):
        load_version(tmp_path, current_digest(tmp_path))


def test_a_manifest_that_names_a_model_elsewhere_is_refused(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["settings"]["model"] = "/"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(EmbfeastError, match="was changed after it was saved"):
        FittedRecipe.load(folder)


def _change(folder, **fields):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | fields))
