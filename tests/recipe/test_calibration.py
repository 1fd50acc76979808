"""Eight bits that are calibrated on the texts of the fit, and travel with the recipe."""

import shutil

import numpy as np
import pytest

from embfeast import EmbfeastError, Encoder, FittedRecipe, Recipe
from embfeast.encoding.backends.precision import lacking
from embfeast.evaluation.run import _of_one_model
from tests.encoding.conftest import tiny, tokenizer  # noqa: F401
from tests.recipe.conftest import TEXTS as ORDINARY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(lacking("int8")), reason=lacking("int8") or "int8 is computed here"),
]
WORDS = ["xylophonist", "Quetzaltenango"]
TEXTS = [*ORDINARY, *WORDS]
OTHERS = [f"The river at gauge {i} has risen by {i} cm" for i in range(10)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("EMBFEAST_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def model(tiny, cache, tmp_path_factory):  # noqa: F811
    """A folder with other weights than the tiny models of other tests have."""
    return {"name": str(shutil.copytree(tiny, tmp_path_factory.mktemp("model") / "tiny"))}


@pytest.fixture(scope="module")
def recipe(model):
    asked = model | {"precision": "int8", "calibration": "fitted", "query_prompt": "charged "}
    tricks = {"embedding": {"trick": "embedding"}, "asked": {"trick": "query_embedding"}}
    return Recipe({"model": asked, "tricks": tricks})


@pytest.fixture(scope="module")
def fitted(recipe):
    return recipe.fit(TEXTS)


@pytest.fixture
def elsewhere(fitted, cache, tmp_path, monkeypatch):
    """The recipe on a machine that has the model's export, and cannot calibrate."""
    import nncf

    fitted.save(tmp_path / "recipe")
    folder = shutil.copytree(cache, tmp_path / "cache", ignore=shutil.ignore_patterns("int8-*"))
    monkeypatch.setenv("EMBFEAST_CACHE_DIR", str(folder))
    monkeypatch.setattr(nncf, "quantize", None)
    return tmp_path / "recipe"


def test_the_fits_texts_make_other_bits_than_embfeasts(fitted, model):
    general = Encoder(**model, precision="int8")
    by_itself = Encoder(**model, precision="int8", calibration="fitted")
    assert by_itself.digest == general.digest
    assert fitted.model_digest != general.digest
    own = fitted.matrices(TEXTS, ["embedding"])["embedding"]
    assert not np.array_equal(own, general.encode(TEXTS))
    near = (own * Encoder(**model).encode(TEXTS)).sum(axis=1)
    assert near.min() > 0.97


def test_another_machine_gets_the_same_bits_and_calibrates_nothing(fitted, elsewhere):
    loaded = FittedRecipe.load(elsewhere)
    assert loaded.digest == fitted.digest
    assert loaded.graph != fitted.graph, "a copy of its own"
    loaded.encoder = Encoder(loaded.settings.model, threads=1)
    assert loaded.transform(TEXTS).equals(fitted.transform(TEXTS))
    assert loaded.encoder.query.graph == loaded.graph


def test_a_damaged_copy_is_made_anew_from_the_recipe(fitted, elsewhere):
    graph = FittedRecipe.load(elsewhere).graph
    graph.with_suffix(".bin").write_bytes(b"half")
    assert FittedRecipe.load(elsewhere).encoder.digest == fitted.model_digest


def test_a_cache_folder_that_cannot_be_written_is_named(elsewhere, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EMBFEAST_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(EmbfeastError, match=r"cannot be kept there.*EMBFEAST_CACHE_DIR"):
        FittedRecipe.load(elsewhere)


def test_no_word_of_the_texts_is_in_the_recipe(fitted, tmp_path):
    fitted.save(tmp_path / "recipe")
    written = b"".join(file.read_bytes() for file in (tmp_path / "recipe").iterdir())
    assert b"FakeQuantize" in written, "the graph is there"
    for word in WORDS:
        assert word.encode() not in written


def test_the_same_texts_give_the_same_recipe_in_any_order_and_others_another_one(recipe, fitted):
    assert recipe.fit(TEXTS[::-1]).digest == fitted.digest
    assert recipe.fit(OTHERS).model_digest != fitted.model_digest


def test_an_earlier_calibration_is_kept_where_it_is_given(recipe, fitted, monkeypatch):
    import nncf

    monkeypatch.setattr(nncf, "quantize", None)
    kept = recipe.fit(OTHERS, previous=fitted)
    assert kept.model_digest == fitted.model_digest
    assert kept.digest != fitted.digest
    assert recipe.fit(TEXTS, encoder=fitted.encoder).digest == fitted.digest


def test_an_earlier_calibration_of_another_model_is_not_kept(recipe, fitted, monkeypatch):
    def calibrated_anew(*_):
        raise RuntimeError("anew")

    monkeypatch.setattr("embfeast.encoding.backends.calibration.fitted_graph", calibrated_anew)
    shorter = {"max_seq_length": 16} | recipe.settings.model_dump()["model"]
    other = Recipe(recipe.settings.model_dump() | {"model": shorter})
    with pytest.raises(RuntimeError, match="anew"):
        other.fit(TEXTS, previous=fitted)


def test_an_evaluation_encodes_for_all_folds_alike(recipe):
    assert _of_one_model(recipe).settings.model.calibration == "general"
    plain = Recipe({"tricks": {"embedding": {"trick": "embedding"}}})
    assert _of_one_model(plain).settings == plain.settings


def test_a_calibration_without_eight_bits_is_refused():
    with pytest.raises(EmbfeastError, match="calibration goes with `precision: int8`"):
        Encoder(calibration="fitted")
