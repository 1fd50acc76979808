import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from embfeast import EmbfeastError
from embfeast.encoding import EmbeddingCache, Encoder, Pooling
from embfeast.encoding.pooling import KINDS

TEXTS = ["I was charged twice for one order.", "Where is it?"]
STATES = np.array([[1, 0], [0, 1], [4, 4]], dtype=np.float32)


def weighted(weights, **settings):
    return Pooling("weighted", weights=np.array(weights, dtype=np.float32), **settings)


def pooled(pooling):
    return pooling(STATES[None], [[0, 1, 2]])[0]


def test_weighted_is_the_weighted_mean_of_the_pieces():
    assert pooled(weighted([3, 1, 0])).tolist() == [0.75, 0.25]


def test_top_averages_the_highest_weights_alone_and_ties_go_to_the_earlier():
    assert pooled(weighted([3, 1, 9], top=1)).tolist() == [4, 4]
    assert pooled(weighted([1, 1, 1], top=1)).tolist() == [1, 0]


def test_without_a_piece_that_counts_it_is_the_plain_mean():
    np.testing.assert_allclose(pooled(weighted([0, 0, 0])), STATES.mean(axis=0), rtol=1e-6)


@given(
    states=arrays(
        np.float32,
        array_shapes(min_dims=3, max_dims=3, max_side=40),
        elements=st.floats(-100, 100, width=32),
    ),
    pooling=st.sampled_from(
        [
            *(Pooling(kind) for kind in KINDS if kind not in ("weighted", "sentence")),
            weighted(range(5)),
            weighted(range(5), top=2),
        ]
    ),
)
def test_a_text_pooled_with_others_has_the_same_bits_as_alone(states, pooling):
    texts, length, _ = states.shape
    pieces = (np.arange(texts * length) % 5).reshape(texts, length)
    alone = [pooling(states[i : i + 1], pieces[i : i + 1]).tobytes() for i in range(texts)]
    assert [vector.tobytes() for vector in pooling(states, pieces)] == alone


def test_keys_tell_poolings_apart_by_every_setting():
    made = [
        Pooling("mean"),
        Pooling("mean", layered=True),
        Pooling("mean", windows=True),
        weighted([1, 2]),
        weighted([1, 3]),
        weighted([1, 3], top=2),
    ]
    assert len({pooling.key for pooling in made}) == len(made)
    assert weighted([1, 2]).key == weighted([1, 2]).key


def test_unknown_kinds_and_missing_weights_are_refused():
    with pytest.raises(EmbfeastError, match="choose from sentence, mean"):
        Pooling("median")
    with pytest.raises(EmbfeastError, match="needs weights"):
        Pooling("weighted")


def test_layered_is_the_mean_of_the_last_four_layers_and_changes_no_other_pooling(encoder):
    import torch
    from transformers import AutoModel, AutoTokenizer

    from embfeast.encoding.model import resolve

    folder = resolve("all-MiniLM-L6-v2").folder
    model = AutoModel.from_pretrained(folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)
    found = encoder.encode_pooled(TEXTS, ["sentence", Pooling("mean", layered=True)])
    for row, text in enumerate(TEXTS):
        with torch.inference_mode():
            made = model(**tokens(text, return_tensors="pt"), output_hidden_states=True)
        expected = torch.stack(made.hidden_states[-4:]).mean(dim=0)[0].mean(dim=0)
        np.testing.assert_allclose(found["mean+layered"][row], expected.numpy(), atol=1e-5)
    assert np.array_equal(found["sentence"], encoder.encode(TEXTS))


def test_both_backends_agree_on_layers():
    poolings = [Pooling("mean", layered=True)]
    onnx, torch = (
        Encoder(backend=b).encode_pooled(TEXTS, poolings)["mean+layered"] for b in ("onnx", "torch")
    )
    np.testing.assert_allclose(onnx, torch, atol=1e-5)


def test_the_cache_keeps_poolings_apart(tmp_path):
    cached = Encoder(cache=EmbeddingCache(tmp_path))
    poolings = ["mean", Pooling("mean", layered=True)]
    first = cached.encode_pooled(TEXTS, poolings)
    again = cached.encode_pooled(TEXTS, poolings)
    assert not np.array_equal(first["mean"], first["mean+layered"])
    assert all(np.array_equal(first[key], again[key]) for key in first)
