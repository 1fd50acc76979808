import sqlite3
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from embfeast.encoding import EmbeddingCache


def key(number: int) -> tuple[bytes, str]:
    return number.to_bytes(32, "big"), "sentence"


def test_vectors_come_back_to_the_bit(tmp_path, rng):
    vectors = {key(i): rng.normal(size=8).astype(np.float32) for i in range(1200)}
    EmbeddingCache(tmp_path).put("model", vectors)
    found = EmbeddingCache(tmp_path).get("model", [*vectors, key(5000)], 8)
    assert found.keys() == vectors.keys()
    assert all(np.array_equal(found[k], vectors[k]) for k in vectors)


def test_models_and_poolings_do_not_mix(tmp_path):
    cache = EmbeddingCache(tmp_path)
    cache.put("one", {key(1): np.ones(2, dtype=np.float32)})
    assert cache.get("other", [key(1)], 2) == {}
    assert cache.get("one", [(key(1)[0], "max")], 2) == {}


def test_a_damaged_vector_counts_as_absent(tmp_path):
    cache = EmbeddingCache(tmp_path)
    cache.put("model", {key(i): np.ones(4, dtype=np.float32) for i in range(3)})
    with sqlite3.connect(tmp_path / "model.sqlite") as connection:
        connection.execute("UPDATE vectors SET vector = x'00' WHERE text = ?", [key(0)[0]])
        nan = np.full(4, np.nan, dtype=np.float32).tobytes()
        connection.execute("UPDATE vectors SET vector = ? WHERE text = ?", [nan, key(1)[0]])
    connection.close()
    assert cache.get("model", [key(i) for i in range(3)], 4).keys() == {key(2)}


def fill(folder: str, start: int) -> int:
    cache = EmbeddingCache(folder)
    for i in range(start, start + 50):
        cache.put("model", {key(i): np.full(4, i, dtype=np.float32)})
    return len(cache.get("model", [key(i) for i in range(start, start + 50)], 4))


@pytest.mark.parametrize("attempt", range(5))
def test_four_processes_write_at_once_and_nothing_is_lost(tmp_path, attempt):
    with ProcessPoolExecutor(4) as pool:
        assert list(pool.map(fill, [str(tmp_path)] * 4, [0, 50, 100, 150])) == [50] * 4
    assert len(EmbeddingCache(tmp_path).get("model", [key(i) for i in range(200)], 4)) == 200
