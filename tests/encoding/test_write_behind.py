"""Vectors are found from the moment they are put, and all are in the file at the end."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from embfeast.encoding import EmbeddingCache
from embfeast.encoding.write_behind import write_behind

A, B = ((bytes([i]) * 32, "sentence") for i in range(2))
ONES = np.ones(4, dtype=np.float32)


@pytest.fixture
def encoder(tmp_path):
    return SimpleNamespace(cache=EmbeddingCache(tmp_path))


def test_vectors_are_found_before_they_are_written(encoder, monkeypatch):
    go_on = threading.Event()
    real = EmbeddingCache.put
    monkeypatch.setattr(EmbeddingCache, "put", lambda *given: go_on.wait(60) and real(*given))
    with write_behind(encoder):
        encoder.cache.put("model", {A: ONES})
        assert not list(encoder.cache.folder.glob("*.sqlite"))
        assert encoder.cache.get("model", [A, B], 4).keys() == {A}
        go_on.set()
    assert encoder.cache.get("model", [A, B], 4).keys() == {A}


def test_what_is_held_of_one_model_is_not_found_for_another(encoder):
    with write_behind(encoder):
        encoder.cache.put("documents", {A: ONES})
        assert not encoder.cache.get("queries", [A], 4)
        encoder.cache.put("queries", {A: 2 * ONES})
        for model, vector in (("documents", ONES), ("queries", 2 * ONES)):
            assert np.array_equal(encoder.cache.get(model, [A], 4)[A], vector)


def test_every_put_is_in_the_file_at_the_end_and_the_encoder_has_its_own_cache_back(encoder):
    own = encoder.cache
    with write_behind(encoder):
        for key in (A, B):
            encoder.cache.put("model", {key: ONES})
            assert key in encoder.cache.get("model", [A, B], 4)
    assert encoder.cache is own
    assert EmbeddingCache(own.folder).get("model", [A, B], 4).keys() == {A, B}


def test_several_threads_may_put_and_nothing_is_lost(encoder):
    def put(number):
        key = (number.to_bytes(32, "big"), "sentence")
        cache.put("model", {key: ONES})
        return key

    with write_behind(encoder):
        cache = encoder.cache
        with ThreadPoolExecutor(4) as pool:
            keys = set(pool.map(put, range(40)))
    assert encoder.cache.get("model", list(keys), 4).keys() == keys


def test_what_was_put_before_an_error_is_written_too(encoder):
    def stopped():
        with write_behind(encoder):
            encoder.cache.put("model", {A: ONES})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert A in encoder.cache.get("model", [A], 4)


def test_an_error_of_the_write_is_raised(encoder, monkeypatch):
    def broken(*given):
        raise RuntimeError("a bug")

    monkeypatch.setattr(EmbeddingCache, "put", broken)
    with pytest.raises(RuntimeError, match="a bug"), write_behind(encoder):
        encoder.cache.put("model", {A: ONES})


def test_an_encoder_without_a_cache_stays_without():
    without = SimpleNamespace(cache=None)
    with write_behind(without):
        assert without.cache is None
