"""The ways to write a model's folder, each read as sentence-transformers reads it."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules

from embfeast import EmbfeastError, Encoder
from embfeast.encoding.export import GRAPH, graph_path
from embfeast.encoding.facts import kept, load
from embfeast.encoding.model import resolve
from tests.encoding.conftest import TEXTS, WIDTH

pytestmark = pytest.mark.usefixtures("own_cache")

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tiny, tmp_path):
    """A copy of the tiny model that a test may change."""
    return shutil.copytree(tiny, tmp_path / "model")


def edit(file, **settings):
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(known | settings))


def lacking(folder, *words):
    """Take the weights away whose names hold one of some words."""
    kept = {
        name: weight
        for name, weight in load_file(folder / WEIGHTS).items()
        if not any(word in name for word in words)
    }
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})


def assert_same(folder, encoder=None, **asked):
    """Compare what sentence-transformers cuts and computes, and the pieces that we cut."""
    theirs = SentenceTransformer(str(folder), device="cpu")
    encoder = encoder or Encoder(str(folder), backend="torch")
    for text in TEXTS:
        expected = theirs.encode([text], normalize_embeddings=True, **asked)
        np.testing.assert_allclose(encoder.encode([text]), expected, atol=1e-5)
        if not asked and theirs[0].__class__.__name__ == "Transformer":
            states = theirs.encode([text], output_value="token_embeddings")[0].numpy()
            ours = encoder.encode_pooled([text], ["mean"])["mean"][0]
            np.testing.assert_allclose(ours, states.mean(axis=0), atol=2e-5)
    return theirs


def test_weights_in_shards_are_read_and_digested(folder):
    network = SentenceTransformer(str(folder), device="cpu")[0].auto_model
    (folder / WEIGHTS).unlink()
    network.save_pretrained(folder, max_shard_size="40KB")
    assert (folder / "model.safetensors.index.json").exists()
    assert_same(folder)
    before = Encoder(str(folder)).digest
    shard = sorted(folder.glob("model-*.safetensors"))[-1]
    weights = load_file(shard)
    weights[min(weights)] += 1
    save_file(weights, shard, metadata={"format": "pt"})
    moved = shutil.move(folder, folder.with_name("moved"))
    assert Encoder(str(moved)).digest != before


def test_weights_of_pytorch_alone_are_read(folder):
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    assert_same(folder)


def test_a_vocabulary_without_a_fast_tokenizer_file_is_read(folder):
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)))
    edit(folder / "tokenizer_config.json", tokenizer_class="BertTokenizer")
    assert_same(folder)


def test_a_slow_tokenizer_is_asked_itself(tmp_path):
    from transformers import ByT5Tokenizer, T5Config, T5EncoderModel

    plain, folder = tmp_path / "plain", tmp_path / "model"
    sizes = {"d_model": WIDTH, "d_kv": 8, "d_ff": 64, "num_layers": 3, "num_heads": 4}
    torch.manual_seed(7)
    T5EncoderModel(T5Config(vocab_size=384, **sizes)).save_pretrained(plain)
    ByT5Tokenizer(model_max_length=64).save_pretrained(plain)
    own = [modules.Transformer(str(plain)), modules.Pooling(WIDTH, pooling_mode="mean")]
    SentenceTransformer(modules=own, device="cpu").save(str(folder))
    theirs = assert_same(folder)
    assert not theirs.tokenizer.is_fast
    with pytest.warns(UserWarning, match="no fast tokenizer"):
        Encoder(str(folder)).encode(["a"])


def test_texts_are_lowered_where_the_model_asks_for_it(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = None
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    plain = Encoder(str(folder), backend="torch").encode(["CHARGED twice"])
    lowering = shutil.copytree(folder, folder.with_name("lowering"))
    edit(lowering / "sentence_bert_config.json", do_lower_case=True)
    assert_same(lowering)
    lowered = Encoder(str(lowering), backend="torch").encode(["CHARGED twice"])
    assert not np.allclose(plain, lowered, atol=1e-3)


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("tokenizer_config.json", "model_max_length"),
        ("sentence_bert_config.json", "max_seq_length"),
        ("config.json", "max_position_embeddings"),
    ],
)
def test_the_window_is_found_wherever_it_is_written(folder, file, key):
    if file == "config.json":
        weights = load_file(folder / WEIGHTS)
        name = next(name for name in weights if "position_embeddings" in name)
        weights[name] = weights[name][:20].contiguous()
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    if file != "tokenizer_config.json":
        edit(folder / "tokenizer_config.json", model_max_length=10**30)
    edit(folder / file, **{key: 20})
    assert_same(folder)
    assert Encoder(str(folder)).max_pieces == 20


def test_dense_that_changes_the_dimension_stands_beside_word_pieces(folder):
    from embfeast import FittedRecipe, Recipe

    base = SentenceTransformer(str(folder), device="cpu")
    torch.manual_seed(7)
    narrow = folder.with_name("narrow")
    own = [*base, modules.Dense(WIDTH, 12)]
    SentenceTransformer(modules=own, device="cpu").save(str(narrow))
    assert_same(narrow)
    entries = {
        "vector": {"trick": "embedding"},
        "white": {"trick": "whitener", "method": "pca", "n_components": 3},
        "pieces": {"trick": "token_pooler", "pooling": ["mean", "max"]},
    }
    model = {"name": str(narrow), "backend": "torch"}
    texts = [f"{text} {number}" for number in range(20) for text in TEXTS[:3]]
    fitted = Recipe({"model": model, "tricks": entries}).fit(texts)
    assert isinstance(fitted, FittedRecipe)
    made = fitted.transform(texts[:2])
    widths = {name: len(made[name][0]) for name in ("vector", "pieces")}
    assert widths == {"vector": 12, "pieces": 2 * WIDTH}


def test_static_embeddings_saved_by_either_library_are_looked_up(tiny, tmp_path):
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    cutting = Tokenizer.from_file(str(tiny / "tokenizer.json"))
    table = np.random.default_rng(7).normal(size=(cutting.get_vocab_size(), 16))
    table = table.astype(np.float32)
    static = StaticEmbedding(cutting, embedding_weights=table)
    SentenceTransformer(modules=[static], device="cpu").save(str(tmp_path / "st"))
    assert_same(tmp_path / "st", Encoder(str(tmp_path / "st")))
    other = tmp_path / "model2vec"  # its files, with what lets sentence-transformers open them
    other.mkdir()
    save_file({"embeddings": torch.from_numpy(table)}, other / WEIGHTS)
    shutil.copy(tiny / "tokenizer.json", other)
    edit(other / "config.json", model_type="model2vec", normalize=True)
    kinds = ["StaticEmbedding", "Normalize"]
    paths = [".", "1_Normalize"]
    said = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(zip(paths, kinds, strict=True))
    ]
    (other / "modules.json").write_text(json.dumps(said))
    encoder = Encoder(str(other))
    assert_same(other, encoder)
    assert encoder._backend.name == "static1"


def test_a_model_that_was_moved_is_the_same(folder):
    before = Encoder(str(folder), backend="torch")
    vectors, digest = before.encode(TEXTS), before.digest
    moved = shutil.move(folder, folder.with_name("moved"))
    load.cache_clear()
    after = Encoder(str(moved), backend="torch")
    assert after.digest == digest
    assert np.array_equal(after.encode(TEXTS), vectors)


def test_a_folder_with_words_alone_is_no_model(tmp_path):
    (tmp_path / "README.md").write_text("# A model")
    with pytest.raises(
        EmbfeastError, match=r"no model, it lacks config\.json or modules\.json and"
    ):
        Encoder(str(tmp_path)).encode(["a"])


@pytest.mark.parametrize("default", [None, "document"])
def test_prompts_are_theirs_with_a_default_and_without(folder, default):
    prompts = {"query": "charged twice ", "document": "my order "}
    file = folder / "config_sentence_transformers.json"
    edit(file, prompts=prompts, default_prompt_name=default)
    assert_same(folder)
    plain = Encoder(str(folder), backend="torch", query_prompt_name="query")
    assert_same(folder, plain.query, prompt_name="query")
    named = Encoder(str(folder), backend="torch", prompt_name="document")
    assert_same(folder, named, prompt_name="document")
    assert not np.allclose(named.encode(TEXTS), plain.query.encode(TEXTS), atol=1e-3)


def test_weights_that_no_file_holds_are_refused_where_they_reach_a_vector(folder):
    whole = Encoder(str(folder), backend="torch").encode(TEXTS)
    lacking(folder, "pooler")  # no vector depends on it
    plain = shutil.move(folder, folder.with_name("plain"))
    assert np.array_equal(Encoder(str(plain), backend="torch").encode(TEXTS), whole)
    lacking(plain, "layer.1.attention.self.query")
    with pytest.raises(EmbfeastError, match=r"lack '.*query\.bias' and \d more"):
        Encoder(str(shutil.move(plain, folder.with_name("third")))).encode(["a"])


def test_weights_of_another_model_are_refused(folder):
    weights = {f"other.{name}": weight for name, weight in load_file(folder / WEIGHTS).items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(EmbfeastError, match=r"lack '.*' and \d+ more"):
        Encoder(str(folder)).encode(["a"])


def test_weights_that_are_no_numbers_are_refused_and_named(folder):
    weights = load_file(folder / WEIGHTS)
    name = next(name for name in weights if "word_embeddings" in name)
    weights[name][9] = float("nan")  # of a piece that most texts lack
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(EmbfeastError, match=r"not finite in '.*word_embeddings\.weight'"):
        Encoder(str(folder)).encode(["a"])


def test_a_model_loaded_twice_gives_the_same_bits(folder):
    first = Encoder(str(folder), backend="torch").encode(TEXTS)
    load.cache_clear()
    assert np.array_equal(Encoder(str(folder), backend="torch").encode(TEXTS), first)


def test_a_graph_that_differs_is_not_used_and_one_warning_says_why(folder):
    import onnx
    from onnx import helper, numpy_helper

    model = resolve(str(folder))
    table = np.random.default_rng(7).normal(size=(300, WIDTH)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["states"])],
        "another_model",
        [helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["texts", "pieces"])],
        [helper.make_tensor_value_info("states", onnx.TensorProto.FLOAT, ["texts", "pieces", 32])],
        [numpy_helper.from_array(table, "table")],
    )
    opset = [helper.make_opsetid("", 18)]
    assert model.facts.kind == "transformer"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), graph_path(model))
    encoder = Encoder(str(folder))
    with pytest.warns(UserWarning, match=r"by PyTorch, not by ONNX.* its sentence differs") as told:
        assert len([encoder.encode(TEXTS) for _ in range(2)]) == 2
    assert len(told) == 1
    assert_same(folder, encoder)
    verdict = kept(model, f"-{GRAPH}.proof.json")
    assert "its sentence differs" in json.loads(verdict.read_text())["reason"]
    graph_path(model).unlink()  # the verdict is kept: nothing is exported again
    with pytest.raises(EmbfeastError, match="cannot be computed by ONNX Runtime: its sentence"):
        Encoder(str(folder), backend="onnx").encode(["a"])
    assert not graph_path(model).exists()
