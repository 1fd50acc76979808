"""Padded batches, as on a GPU, beside sentence-transformers and beside texts one by one.

The arithmetic is the processor's here: `scripts/gpu_check.py` runs the same code on a GPU.
"""

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from embfeast import EmbfeastError, Encoder
from embfeast.encoding.backends.padded import PaddedBackend
from embfeast.encoding.batch import of_like_lengths
from embfeast.encoding.model import resolve
from embfeast.encoding.pooling import Pooling
from embfeast.encoding.proof import PROBES, why_not_padded

TEXTS = [
    "late",
    "I was charged twice for my order.",
    "",
    "My parcel is late, and nobody answers. " * 9,
    "Two spaces  and a line\nbelow it",
    "far beyond the window " * 200,
]


def padding(**settings):
    """Return an encoder whose batches are padded."""
    encoder = Encoder(backend="torch", **settings)
    encoder._backend = PaddedBackend(encoder._model, device="cpu")
    return encoder


@pytest.fixture(scope="module")
def encoder():
    return padding()


def test_vectors_equal_sentence_transformers(encoder):
    theirs = SentenceTransformer(str(encoder._model.folder), device="cpu")
    found = encoder.encode(TEXTS)
    assert np.abs(found - theirs.encode(TEXTS)).max() < 1e-6
    assert np.abs(found - Encoder(backend="torch").encode(TEXTS)).max() < 1e-6


def test_poolings_read_no_padding(encoder):
    weights = np.linspace(0, 1, encoder.vocabulary, dtype=np.float32)
    poolings = [
        "sentence",
        "mean",
        "max",
        "cls",
        Pooling("mean", layered=True),
        Pooling("mean", windows=True),
        Pooling("weighted", weights=weights, top=2),
    ]
    together = encoder.encode_pooled(TEXTS, poolings)
    unpadded = Encoder()
    for row, text in enumerate(TEXTS):
        alone = unpadded.encode_pooled([text], poolings)
        for key, vectors in alone.items():
            np.testing.assert_allclose(together[key][row], vectors[0], atol=2e-5, err_msg=key)


def test_a_prompt_is_read_with_each_text():
    prompt = "query: "
    theirs = Encoder().encode([prompt + text for text in TEXTS])
    assert np.abs(padding(prompt=prompt).encode(TEXTS) - theirs).max() < 1e-6


def test_batches_hold_each_text_once_and_no_more_than_their_pieces():
    rng = np.random.default_rng(0)
    pieces = [[1] * n for n in rng.integers(0, 60, 500)]
    batches = list(of_like_lengths(pieces, 256, 16))
    assert sorted(row for part, _ in batches for row in part) == list(range(500))
    for part, own in batches:
        assert own == [pieces[row] for row in part]
        assert len(own) <= 16
        assert len(own) * max(map(len, own)) <= 256


def test_a_batch_that_is_too_large_for_the_gpu_is_read_in_parts(encoder, monkeypatch):
    whole = encoder.encode_pooled(TEXTS, ["sentence", "mean"])
    sizes = roomy_for(encoder._backend, 2, monkeypatch)
    parts = encoder.encode_pooled(TEXTS, ["sentence", "mean"])
    assert max(sizes) > 2
    for key, vectors in whole.items():
        np.testing.assert_allclose(parts[key], vectors, atol=1e-5)


def test_a_text_that_is_too_large_for_the_gpu_is_said(encoder, monkeypatch):
    roomy_for(encoder._backend, 0, monkeypatch)
    with pytest.raises(EmbfeastError, match=r"has no room for it and a text of 3 word pieces"):
        encoder.encode(["late"])


def roomy_for(backend, texts, monkeypatch):
    """Let a backend run out of memory above so many texts; return what it was given."""
    torch, forward, sizes = backend._torch, backend._loaded.forward, []

    def limited(features, **given):
        sizes.append(len(features["input_ids"]))
        if sizes[-1] > texts:
            raise torch.OutOfMemoryError
        return forward(features, **given)

    monkeypatch.setattr(backend._loaded, "forward", limited)
    return sizes


def test_a_model_is_proved_before_it_is_padded(encoder, monkeypatch):
    backend = encoder._backend
    assert why_not_padded(encoder._model, backend) == ""
    forward = backend._loaded.forward

    def blind(features, **given):
        mask = features["attention_mask"]
        mask = mask | 1 if len(mask) > 1 else mask
        return forward(features | {"attention_mask": mask}, **given)

    monkeypatch.setattr(backend._loaded, "forward", blind)
    assert "differs by" in why_not_padded(encoder._model, backend)
    assert "word pieces, padded" in why_not_padded(encoder._model, backend)


def test_a_model_that_wants_more_than_word_pieces_is_not_padded(encoder, monkeypatch):
    def wanting(features, **given):
        raise KeyError("bbox")

    monkeypatch.setattr(encoder._backend._loaded, "forward", wanting)
    assert why_not_padded(encoder._model, encoder._backend) == "KeyError: 'bbox'"


def test_the_probes_are_of_several_lengths():
    pieces = Encoder().pieces(PROBES)
    assert len(set(map(len, pieces))) > 5
    assert resolve(Encoder().settings).max_pieces > max(map(len, pieces))
