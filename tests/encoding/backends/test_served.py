"""Models behind a server: a real one on this machine, with faults planted in it."""

import logging
import pickle
import traceback

import numpy as np
import pytest

from embfeast import EmbfeastError, Encoder, FittedRecipe, Recipe
from embfeast.encoding import EmbeddingCache
from embfeast.encoding.backends.served import PROBES, Client
from embfeast.encoding.model import resolve
from tests.encoding import embedding_server as faults
from tests.encoding.embedding_server import KEY, WIDTH, serving_apart, vector_of

pytest.importorskip("openai")
TEXTS = ["Where is my parcel", "I was charged twice", "The login fails", "It is too slow"]


@pytest.fixture
def server(tmp_path, monkeypatch):
    with serving_apart(tmp_path, monkeypatch) as running:
        yield running


def encoder_of(server, **more):
    return Encoder("tiny-embedding", backend="openai", base_url=server.url, **more)


def client_of(server, retries=0, timeout=5.0):
    return Client(resolve(encoder_of(server).settings), retries=retries, timeout=timeout)


def expected(texts, seed=""):
    return np.array([vector_of(text, seed) for text in texts], dtype=np.float32)


def test_vectors_are_the_servers_at_unit_length_or_as_answered(server):
    wanted = expected(TEXTS)
    raw = encoder_of(server, normalize=False)
    assert np.array_equal(raw.encode(TEXTS), wanted)
    unit = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    assert np.allclose(encoder_of(server).encode(TEXTS), unit, atol=1e-6)
    short = encoder_of(server, truncate_dim=3, normalize=False)
    assert np.array_equal(short.encode(TEXTS), wanted[:, :3])
    assert set(server.keys) == {f"Bearer {KEY}"}


def test_a_prompt_is_put_before_each_text(server):
    got = encoder_of(server, prompt="query: ", normalize=False).encode(TEXTS)
    assert np.array_equal(got, expected([f"query: {text}" for text in TEXTS]))


def test_many_texts_go_in_batches_of_which_some_are_under_way_at_once(server):
    texts = [f"text number {i} " + "long " * (i % 7) for i in range(300)]
    encoder = encoder_of(server, normalize=False, threads=3)
    assert encoder.probes.shape == (len(PROBES), WIDTH)
    server.requests.clear()
    server.faults += [faults.slowly] * 10
    assert np.array_equal(encoder.encode(texts), expected(texts))
    assert [len(one["input"]) for one in server.requests].count(32) == 9
    assert 1 < server.most_at_once <= 3


def test_the_address_and_the_key_are_no_part_of_the_model(server):
    one = encoder_of(server)
    other = Encoder("tiny-embedding", backend="openai", base_url="http://elsewhere/v1")
    assert one.digest == other.digest
    assert one.digest != Encoder("other-embedding", backend="openai").digest
    assert one.digest != encoder_of(server, truncate_dim=3).digest
    assert server.requests == []


def shuffle(data):
    data.reverse()


def test_order_is_that_of_the_index(server):
    server.faults.append(faults.changed(shuffle))
    assert np.array_equal(client_of(server).embed(TEXTS), expected(TEXTS))


@pytest.mark.parametrize(
    "fault",
    [
        faults.refuse(429),
        faults.refuse(500),
        faults.refuse(503),
        faults.half_a_body,
    ],
    ids=["429", "500", "503", "half a body"],
)
def test_a_passing_fault_is_tried_again(server, fault):
    server.faults.append(fault)
    assert np.array_equal(client_of(server, retries=1).embed(TEXTS), expected(TEXTS))
    assert len(server.requests) == 2


def test_the_wait_that_a_server_asks_for_is_kept(server):
    server.faults.append(faults.refuse(429, Retry_After="1"))  # by itself it waits half as long
    assert np.array_equal(client_of(server, retries=1).embed(TEXTS), expected(TEXTS))
    first, second = server.times
    assert second - first >= 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.refuse(400, "too long"), "4 texts of up to 19 characters .*too long"),
        (faults.refuse(401), "set OPENAI_API_KEY to a key that the server takes"),
        (faults.refuse(404), "where its /v1 is"),
        (faults.refuse(429), "ask for a higher limit"),
        (faults.refuse(500), "500.*try again"),
        (faults.stall, "APITimeoutError"),
        (faults.half_a_body, "APIConnectionError"),
        (faults.half_a_json, "no list of vectors"),
        (lambda to, _: to.give(b"<html>welcome</html>"), "no list of vectors"),
        (faults.changed(lambda data: data.pop()), "3 vectors, not one for each of 4"),
        (faults.changed(lambda data: data[0].update(index=1)), "not one for each"),
        (faults.changed(lambda data: data[0]["embedding"].pop()), r"several widths, \[7, 8\]"),
        (faults.changed(lambda data: data[0].update(embedding=[np.nan] * 8)), "not finite"),
        (faults.changed(lambda data: data[0].update(embedding=[1e39] * 8)), "not finite"),
        (faults.changed(lambda data: data[0].update(embedding=None)), "no list of vectors"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_a_lasting_fault_is_an_error_that_says_what_to_do(server, fault, said):
    client = client_of(server, timeout=0.3)
    server.faults.append(fault)
    with pytest.raises(EmbfeastError, match=said):
        client.embed(TEXTS)


def test_no_server_is_an_error(server):
    settings = encoder_of(server).settings.model_copy(update={"base_url": "http://127.0.0.1:9/v1"})
    with pytest.raises(EmbfeastError, match=r"APIConnectionError.*see that it runs"):
        Client(resolve(settings), retries=0).embed(TEXTS)


def test_the_key_is_in_no_error_log_or_pickle(server, caplog):
    caplog.set_level(logging.DEBUG)
    encoder = encoder_of(server)
    encoder.encode(TEXTS)
    server.faults.append(faults.echo_key)
    with pytest.raises(EmbfeastError, match="bad key Bearer …") as caught:
        encoder.encode(["another text"])
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert KEY not in shown + caplog.text + repr(encoder)
    assert KEY.encode() not in pickle.dumps(encoder)


def test_openai_itself_wants_a_key_and_a_server_of_ones_own_none(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    encoder_of(server).encode(TEXTS)
    with pytest.raises(EmbfeastError, match="set the environment variable OPENAI_API_KEY"):
        Encoder("text-embedding-3-small", backend="openai").encode(TEXTS)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"max_seq_length": 64}, "'max_seq_length' has no meaning"),
        ({"query_prompt_name": "query"}, "a prompt is given as `prompt`"),
        ({"precision": "int8"}, "'precision' has no meaning"),
        # pragma: allowlist nextline secret
        ({"base_url": "http://me:word@127.0.0.1/v1"}, "would be kept in recipes"),
        ({"base_url": "http://127.0.0.1/v1?key=word"}, "would be kept in recipes"),
        ({"backend": "auto"}, "base_url goes with `backend: openai`"),
    ],
)
def test_settings_that_a_server_cannot_follow_are_refused(server, settings, said):
    given = {"backend": "openai", "base_url": server.url} | settings
    with pytest.raises(EmbfeastError, match=said):
        _ = Encoder("tiny-embedding", **given).digest


def test_word_pieces_are_refused_with_words(server):
    encoder = encoder_of(server)
    for asked in (lambda: encoder.encode_pooled(TEXTS, ["mean"]), lambda: encoder.pieces(TEXTS)):
        with pytest.raises(EmbfeastError, match=r"no word pieces; leave out .*token_pooler"):
            asked()
    recipe = Recipe(
        {"model": dict(encoder.settings), "tricks": {"pooled": {"trick": "token_pooler"}}}
    )
    with pytest.raises(EmbfeastError, match="no word pieces"):
        recipe.fit(TEXTS)


def test_the_cache_is_the_record_and_a_changed_model_is_not_put_beside_it(server, tmp_path):
    cache = EmbeddingCache(tmp_path / "cache")
    first = encoder_of(server, cache=cache)
    kept = first.encode(TEXTS)
    server.seed = "another model"
    assert np.array_equal(encoder_of(server, cache=cache).encode(TEXTS), kept)
    with pytest.raises(EmbfeastError, match=r"has changed under its name.*remove ") as caught:
        encoder_of(server, cache=cache).encode(["a new text"])
    file = caught.value.mend.split("remove ")[1].removesuffix(" and fit again")
    cache.file(file.rsplit("/", 1)[1].removesuffix(".sqlite")).unlink()
    assert not np.allclose(encoder_of(server, cache=cache).encode(TEXTS), kept)


def test_another_width_under_the_same_name_is_refused(server):
    encoder = encoder_of(server)
    encoder.encode(TEXTS)
    wide = faults.changed(lambda data: [one["embedding"].append(1.0) for one in data])
    server.faults.append(wide)
    with pytest.raises(EmbfeastError, match="gave vectors of 9 numbers, before they had 8"):
        encoder.encode(["another text"])


def test_a_fitted_recipe_keeps_what_its_model_answered(server, tmp_path):
    settings = {
        "model": {"name": "tiny-embedding", "backend": "openai", "base_url": server.url},
        "tricks": {"embedding": {"trick": "embedding"}},
    }
    fitted = Recipe(settings).fit(TEXTS)
    assert Recipe(settings).fit(TEXTS).digest == fitted.digest
    fitted.save(tmp_path / "recipe")
    loaded = FittedRecipe.load(tmp_path / "recipe")
    assert loaded.digest == fitted.digest
    assert loaded.transform(TEXTS).equals(fitted.transform(TEXTS))
    saved = b"".join(file.read_bytes() for file in (tmp_path / "recipe").iterdir())
    assert KEY.encode() not in saved
    server.seed = "another model"
    with pytest.raises(EmbfeastError, match=r"has changed under its name.*fit again"):
        FittedRecipe.load(tmp_path / "recipe").transform(TEXTS)
    assert Recipe(settings).fit(TEXTS).digest != fitted.digest


def test_small_differences_between_answers_are_a_servers_own(server, tmp_path):
    cache = EmbeddingCache(tmp_path / "cache")
    encoder_of(server, cache=cache).encode(TEXTS)

    def shaken(data):
        for one in data:
            one["embedding"] = [value * 1.001 for value in one["embedding"]]

    server.faults.append(faults.changed(shaken))
    encoder_of(server, cache=cache).encode(["a new text"])
