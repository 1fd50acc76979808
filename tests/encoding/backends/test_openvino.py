"""Lower precisions: the same bits in any company, near sentence-transformers, or refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError, Encoder
from embfeast.encoding.backends import precision
from embfeast.encoding.backends.calibration import calibration_texts
from embfeast.encoding.backends.precision import lacking

pytestmark = pytest.mark.slow
# The least cosine to float32 of any text.
NEAR = {"bfloat16": 0.9999, "int8": 0.97}
TEXTS = [
    "late",
    "I was charged twice for my order.",
    "Meine Bestellung ist nicht angekommen, Straße 5.",
    "🙂 ログインできません",
    "The app crashes when I open the invoice of last month. " * 6,
    "word " * 400,
]


@pytest.fixture(scope="module", params=["bfloat16", "int8"])
def reduced(request):
    if reason := lacking(request.param):
        pytest.skip(f"{request.param}: {reason}")
    return Encoder(precision=request.param)


def test_it_is_near_float32_and_another_model(reduced, encoder):
    near = (reduced.encode(TEXTS) * encoder.encode(TEXTS)).sum(axis=1)
    assert near.min() > NEAR[reduced.settings.precision]
    assert not np.array_equal(reduced.encode(TEXTS), encoder.encode(TEXTS))
    assert reduced.digest != encoder.digest


@settings(deadline=None, max_examples=10)
@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=12), st.sampled_from([1, 2]))
def test_a_text_has_the_same_bits_in_any_batch_and_on_any_threads(reduced, texts, threads):
    other = Encoder(precision=reduced.settings.precision, threads=threads)
    alone = {text: reduced.encode([text])[0] for text in set(texts)}
    for text, vector in zip(texts, other.encode(texts), strict=True):
        assert np.array_equal(vector, alone[text])


def test_word_pieces_can_be_pooled_and_layers_are_refused(reduced):
    made = reduced.encode_pooled(TEXTS, ["mean", "max"])
    assert made["mean"].shape == made["max"].shape == (len(TEXTS), 384)
    from embfeast.encoding.pooling import Pooling

    with pytest.raises(EmbfeastError, match="no states of its layers"):
        reduced.encode_pooled(TEXTS, [Pooling("mean", layered=True)])


def test_a_processor_without_the_instructions_refuses(monkeypatch, tmp_path):
    flags = tmp_path / "cpuinfo"
    flags.write_text("flags : fpu avx2\n")
    monkeypatch.setattr(precision, "CPU", flags)
    for name in ("bfloat16", "int8"):
        with pytest.raises(EmbfeastError, match=f"'{name}' cannot be computed here: its processor"):
            Encoder(precision=name).encode(["late"])


def test_other_backends_refuse_lower_precisions():
    with pytest.raises(EmbfeastError, match="'onnx' computes float32 alone"):
        Encoder(precision="bfloat16", backend="onnx").encode(["late"])


def test_the_calibration_reads_the_same_texts_of_many_lengths_everywhere():
    texts = calibration_texts()
    assert texts == calibration_texts()
    assert len(set(texts)) == len(texts)
    assert min(map(len, texts)) < 5
    assert max(map(len, texts)) > 800
