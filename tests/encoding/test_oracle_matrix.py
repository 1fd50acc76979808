"""Models of many architectures, tiny and with random weights, against sentence-transformers."""

import copy
import warnings

import numpy as np
import pytest
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules

from embfeast.encoding import Encoder, Pooling
from tests.encoding.conftest import TEXTS, WIDTH

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_cache")]

SMALL = {"num_hidden_layers": 3, "num_attention_heads": 4, "hidden_size": WIDTH}
BERT = SMALL | {"intermediate_size": 64, "max_position_embeddings": 70}
LLAMA = BERT | {"num_key_value_heads": 2, "pad_token_id": 0}
POOLINGS = ["mean", "max", "cls", "lasttoken", "weightedmean", "mean_sqrt_len_tokens"]

ARCHITECTURES = {
    "Bert": BERT,
    "DistilBert": {
        "dim": WIDTH,
        "n_layers": 3,
        "n_heads": 4,
        "hidden_dim": 64,
        "max_position_embeddings": 70,
    },
    "Roberta": BERT | {"pad_token_id": 1},
    "XLMRoberta": BERT | {"pad_token_id": 1},
    "MPNet": BERT | {"pad_token_id": 1},
    "Albert": BERT | {"embedding_size": 16},
    "Electra": BERT | {"embedding_size": 16},
    "DebertaV2": BERT | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "ModernBert": BERT | {"pad_token_id": 0, "cls_token_id": 3, "sep_token_id": 2},
    "T5": {"d_model": WIDTH, "d_kv": 8, "d_ff": 64, "num_layers": 3, "num_heads": 4},
    "Qwen2": LLAMA,
    "Qwen3": LLAMA | {"head_dim": 8},
    "Gemma3Text": LLAMA | {"head_dim": 8},
    "Llama": LLAMA,
    "Mistral": LLAMA,
    "GPTNeoX": BERT,
}


@pytest.fixture(scope="module")
def make(tmp_path_factory, tokenizer):
    """Save a tiny model of an architecture with some modules; return it and its folder."""
    root = tmp_path_factory.mktemp("models")
    tokenizer = copy.deepcopy(tokenizer)  # its padding side is changed

    def make(architecture, tail, *, left=False, prompts=None, default=None):
        torch.manual_seed(7)
        tokenizer.padding_side = "left" if left else "right"
        config = getattr(transformers, f"{architecture}Config")(
            vocab_size=len(tokenizer), **ARCHITECTURES[architecture]
        )
        kind = {"T5": "T5EncoderModel"}.get(architecture, f"{architecture}Model")
        plain = root / f"plain-{architecture}"
        getattr(transformers, kind)(config).save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        first = modules.Transformer(str(plain))
        folder = root / f"{len(list(root.iterdir()))}-{architecture}"
        made = SentenceTransformer(
            modules=[first, *tail], device="cpu", prompts=prompts, default_prompt_name=default
        )
        made.save(str(folder))
        return SentenceTransformer(str(folder), device="cpu"), str(folder)

    return make


def pooled(*modes):
    return modules.Pooling(WIDTH, pooling_mode=modes if len(modes) > 1 else modes[0])


def assert_same(theirs, encoder, **settings):
    """Compare vectors alone and in a batch, at unit length and not."""
    expected = np.vstack(
        [theirs.encode([text], show_progress_bar=False, **settings) for text in TEXTS]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where PyTorch computes a model, that is said
        together = encoder.encode(TEXTS)
        alone = np.vstack([encoder.encode([text]) for text in TEXTS])
    scale = max(1.0, float(np.abs(expected).max()))
    assert np.abs(together - expected).max() < 1e-5 * scale
    assert np.abs(alone - expected).max() < 1e-5 * scale


@pytest.mark.parametrize("number", range(len(ARCHITECTURES)), ids=list(ARCHITECTURES))
def test_vectors_and_states_equal_sentence_transformers(make, number):
    architecture = list(ARCHITECTURES)[number]
    theirs, folder = make(architecture, [pooled(POOLINGS[number % len(POOLINGS)])])
    encoder = Encoder(folder, normalize=False, backend="torch")
    assert_same(theirs, encoder)
    assert_same(theirs, Encoder(folder, backend="torch"), normalize_embeddings=True)
    found = encoder.encode_pooled(TEXTS, ["mean", "max", Pooling("mean", layered=True)])
    for row, text in enumerate(TEXTS):
        states = theirs.encode([text], output_value="token_embeddings")[0].numpy()
        np.testing.assert_allclose(found["mean"][row], states.mean(axis=0), atol=2e-5)
        np.testing.assert_allclose(found["max"][row], states.max(axis=0), atol=2e-5)


@pytest.mark.parametrize(
    ("architecture", "modes"), [("MPNet", POOLINGS), ("Qwen3", ["cls", "mean"])]
)
def test_exported_with_all_its_modules_it_gives_their_vectors(make, architecture, modes):
    dense = modules.Dense(len(modes) * WIDTH, 24, activation_function=torch.nn.Tanh())
    theirs, folder = make(architecture, [pooled(*modes), dense, modules.LayerNorm(24)])
    assert_same(theirs, Encoder(folder, normalize=False, backend="onnx"))


def test_prompts_truncation_and_left_padding_are_theirs(make):
    prompts = {"query": "query: ", "passage": "passage: "}
    theirs, folder = make(
        "Llama", [pooled("lasttoken")], left=True, prompts=prompts, default="passage"
    )
    assert_same(theirs, Encoder(folder, backend="torch"), normalize_embeddings=True)
    query = Encoder(folder, backend="torch", query_prompt_name="query").query
    assert_same(theirs, query, prompt_name="query", normalize_embeddings=True)
    short = Encoder(folder, backend="torch", truncate_dim=8, prompt="")
    assert_same(theirs, short, prompt="", truncate_dim=8, normalize_embeddings=True)
