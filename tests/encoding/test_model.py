import json
import shutil

import numpy as np
import pytest

from embfeast import EmbfeastError, Encoder
from embfeast.encoding.model import resolve


@pytest.fixture
def folder(tmp_path):
    """A copy of the real model that a test may change."""
    copy = tmp_path / "model"
    shutil.copytree(resolve("all-MiniLM-L6-v2").folder, copy)
    return copy


def test_default_model_resolves_without_the_network_and_its_weights_are_checked(monkeypatch):
    from embfeast.encoding import model as module

    model = resolve("sentence-transformers/all-MiniLM-L6-v2")
    assert (model.dimension, model.max_pieces, model.facts.pooling) == (384, 256, "mean")
    packaged = {"all-MiniLM-L6-v2": (*module.PACKAGED["all-MiniLM-L6-v2"][:2], "0" * 64)}
    monkeypatch.setattr(module, "PACKAGED", packaged)
    resolve.cache_clear()
    with pytest.raises(EmbfeastError, match="published is 000"):
        resolve("all-MiniLM-L6-v2")
    resolve.cache_clear()


def test_a_local_folder_is_the_same_model_as_the_name(folder):
    assert resolve(str(folder)).digest == resolve("all-MiniLM-L6-v2").digest


def test_digest_changes_with_weights_and_with_tokenizer(folder):
    before = resolve(str(folder)).digest
    with (folder / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, 2)
        last = stream.read(1)
        stream.seek(-1, 2)
        stream.write(bytes([last[0] ^ 1]))
    resolve.cache_clear()
    after_weights = resolve(str(folder)).digest
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    resolve.cache_clear()
    assert len({before, after_weights, resolve(str(folder)).digest}) == 3


def test_cls_pooling_of_the_model_is_followed(folder, encoder):
    config = {
        "word_embedding_dimension": 384,
        "pooling_mode_cls_token": True,
        "pooling_mode_mean_tokens": False,
    }
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    vector = Encoder(str(folder), backend="torch").encode(["a text"])[0]
    cls = encoder.encode_pooled(["a text"], ["cls"])["cls"][0]
    assert abs(vector @ cls / (cls @ cls) ** 0.5 - 1) < 1e-5


def test_a_module_that_cannot_be_loaded_is_an_error_that_says_why(folder):
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 3, "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EmbfeastError, match="sentence-transformers cannot load"):
        Encoder(str(folder)).encode(["a"])


def test_a_folder_that_is_no_model_names_what_is_missing(tmp_path, folder):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(EmbfeastError, match=r"lacks .*modules\.json and model"):
        resolve(str(empty))
    (folder / "model.safetensors").unlink()
    with pytest.raises(EmbfeastError, match=r"lacks model\.safetensors"):
        resolve(str(folder))


@pytest.mark.parametrize("setting", [{"prompt": "q: "}, {"truncate_dim": 9}, {"normalize": False}])
def test_digest_changes_with_a_setting_that_changes_a_vector(setting):
    assert Encoder(**setting).digest != Encoder().digest
    assert Encoder(backend="torch").digest == Encoder().digest


def test_unknown_settings_and_prompts_are_refused_with_those_there_are():
    with pytest.raises(EmbfeastError, match=r"did you mean 'truncate_dim'\?"):
        Encoder(truncate_dims=9)
    with pytest.raises(EmbfeastError, match="has no prompt 'query'"):
        Encoder(prompt_name="query").encode(["a"])


def test_a_static_model_is_looked_up_as_sentence_transformers_does(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    file = resolve("all-MiniLM-L6-v2").folder / "tokenizer.json"
    static = StaticEmbedding(Tokenizer.from_file(str(file)), embedding_dim=16)
    theirs = SentenceTransformer(modules=[static], device="cpu")
    theirs.save(str(tmp_path))
    encoder = Encoder(str(tmp_path))
    texts = ["", "late", "I was charged twice. " * 90]
    expected = theirs.encode(texts, normalize_embeddings=True)
    assert np.abs(encoder.encode(texts) - expected).max() < 1e-6
    assert encoder._backend.name == "static1"


def test_unknown_model_says_what_may_be_given(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EmbfeastError, match="a folder that holds the model"):
        resolve("no-such/model")
