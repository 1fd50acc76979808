import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError, Encoder, counts
from embfeast.encoding import EmbeddingCache

TEXTS = [
    "I was charged twice for my order.",
    "Meine Bestellung ist nicht angekommen.",
    "",
    "🙂 ログインできません",
    "The app crashes. " * 100,
]


@pytest.fixture(scope="module")
def reference():
    from sentence_transformers import SentenceTransformer

    from embfeast.encoding.model import resolve

    return SentenceTransformer(str(resolve("all-MiniLM-L6-v2").folder), device="cpu")


def test_vectors_equal_sentence_transformers_within_1e5_and_have_unit_length(encoder, reference):
    ours = encoder.encode(TEXTS)
    assert ours.dtype == np.float32
    assert ours.shape == (len(TEXTS), encoder.dimension)
    assert np.abs(ours - reference.encode(TEXTS)).max() < 1e-5
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)


def test_token_poolings_equal_sentence_transformers_token_embeddings(encoder, reference):
    pooled = encoder.encode_pooled(TEXTS, ["mean", "max", "cls"])
    for row, text in enumerate(TEXTS):
        tokens = reference.encode([text], output_value="token_embeddings")[0].numpy()
        np.testing.assert_allclose(pooled["mean"][row], tokens.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(pooled["max"][row], tokens.max(axis=0), atol=1e-5)
        np.testing.assert_allclose(pooled["cls"][row], tokens[0], atol=1e-5)


@given(st.lists(st.sampled_from(TEXTS) | st.text(max_size=80), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None)
def test_a_text_has_the_same_bits_alone_and_in_any_batch(texts):
    shared = _shared()
    together = shared.encode_pooled(texts, ["sentence", "max"])
    for row, text in enumerate(texts):
        alone = shared.encode_pooled([text], ["sentence", "max"])
        for pooling, vectors in together.items():
            assert np.array_equal(vectors[row], alone[pooling][0])


def _shared(memo=[]):  # noqa: B006 - one model for all examples of the property above
    if not memo:
        memo.append(Encoder())
    return memo[0]


def test_one_thread_gives_the_same_bits_as_two(encoder):
    assert np.array_equal(Encoder(threads=1).encode(TEXTS), encoder.encode(TEXTS))


def test_torch_backend_stays_within_1e5_of_onnx(encoder):
    other = Encoder(backend="torch").encode(TEXTS)
    assert np.abs(other - encoder.encode(TEXTS)).max() < 1e-5


def test_nothing_to_encode_gives_an_empty_array(encoder):
    assert encoder.encode([]).shape == (0, encoder.dimension)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["fine", None], "text 1 is missing"),
        ([3.5], "text 0 is a float"),
        ("one text", "takes a list"),
    ],
)
def test_what_is_no_text_is_refused_and_named(encoder, texts, message):
    with pytest.raises(EmbfeastError, match=message):
        encoder.encode(texts)


def test_unknown_pooling_and_backend_list_the_valid_ones(encoder):
    with pytest.raises(EmbfeastError, match="sentence, mean, max, cls"):
        encoder.encode_pooled(["a"], ["median"])
    with pytest.raises(EmbfeastError, match="auto, onnx, torch"):
        Encoder(backend="tensorflow")


def test_lone_surrogates_are_encoded_and_not_fatal(encoder):
    assert np.isfinite(encoder.encode(["broken \ud800 text"])).all()


class CountingBackend:
    """The real backend, counting the texts that reach it."""

    def __init__(self, backend):
        self.backend, self.texts = backend, 0

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def read(self, batch, wanted, **alone):
        self.texts += len(batch.rows)
        return self.backend.read(batch, wanted, **alone)


def test_cached_and_repeated_texts_are_encoded_once(tmp_path, encoder):
    cached = Encoder(cache=EmbeddingCache(tmp_path))
    cached._backend = counting = CountingBackend(encoder._backend)
    progress = []
    first = cached.encode([*TEXTS, *TEXTS], progress=progress.append)
    assert counting.texts == len(TEXTS)
    assert sum(progress) == 2 * len(TEXTS)
    again = cached.encode(TEXTS)
    assert counting.texts == len(TEXTS)
    assert np.array_equal(first[: len(TEXTS)], again)
    cached.encode_pooled(TEXTS, ["sentence", "max"])
    assert counting.texts == 2 * len(TEXTS), "another pooling needs another pass, once"
    assert np.array_equal(cached.encode(TEXTS), encoder.encode(TEXTS))


def test_a_query_is_the_text_behind_its_prompt_with_every_cache_and_after_a_journey(
    tmp_path, encoder
):
    given = ["Where is my parcel?", "late"]
    asking = Encoder(query_prompt="question: ")
    assert asking.digest == encoder.digest
    assert np.array_equal(asking.encode(given), encoder.encode(given))
    expected = encoder.encode([f"question: {text}" for text in given])
    assert asking.query._backend is asking._backend, "the model is opened once"
    for one in (
        asking,
        asking.with_cache(EmbeddingCache(tmp_path)),
        pickle.loads(pickle.dumps(asking)),
    ):
        for _ in range(2):
            assert np.array_equal(one.encode(given), encoder.encode(given))
            assert np.array_equal(one.query.encode(given), expected)
    assert len(list(tmp_path.glob("*.sqlite"))) == 2


def test_a_run_that_is_stopped_has_kept_what_took_long(tmp_path, encoder, monkeypatch):
    monkeypatch.setattr("embfeast.encoding.encoder.LONGEST_UNKEPT", 0.0)
    cached = Encoder(cache=EmbeddingCache(tmp_path))
    cached._backend = encoder._backend

    def stop(texts_done):
        stop.done += texts_done
        if stop.done > 1:
            raise KeyboardInterrupt

    stop.done = 0
    lengths = ["word " * n for n in range(1, 9)]  # a batch each
    with pytest.raises(KeyboardInterrupt):
        cached.encode(lengths, progress=stop)
    before = counts.totals()
    assert np.array_equal(cached.encode(lengths), encoder.encode(lengths))
    assert (counts.totals() - before)["cache_hits"] >= 1


def test_an_encoder_with_another_cache_shares_the_open_model(tmp_path, encoder):
    cached = encoder.with_cache(EmbeddingCache(tmp_path))
    assert cached._backend is encoder._backend
    before = counts.totals()
    assert np.array_equal(cached.encode(["a text"]), encoder.encode(["a text"]))
    cached.encode(["a text", "another"])
    grown = counts.totals() - before
    assert (grown["texts_encoded"], grown["cache_hits"]) == (3, 1)
    assert encoder.cache is None


def test_encoder_travels_to_another_process_without_its_open_model(encoder):
    encoder.encode(["warm"])
    copy = pickle.loads(pickle.dumps(encoder))
    assert "_backend" not in vars(copy)
    assert np.array_equal(copy.encode(TEXTS), encoder.encode(TEXTS))


def test_a_machine_that_has_the_exported_graph_needs_neither_torch_nor_transformers(encoder):
    expected = encoder.encode(["a cold soup"])  # exports the graph where that was not done yet
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'onnx', 'onnxscript'): sys.modules[name] = None\n"
        "from embfeast import Encoder\n"
        "print(Encoder().encode(['a cold soup']).tobytes().hex())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == expected.tobytes().hex()


def test_texts_of_a_series_are_taken_by_position_whatever_its_index(encoder):
    texts = ["a parcel", "an invoice", "a login"]
    shuffled = pd.Series(texts, index=[2, 0, 7])
    assert encoder.encode(shuffled).tobytes() == encoder.encode(texts).tobytes()
    assert encoder.pieces(shuffled) == encoder.pieces(texts)
