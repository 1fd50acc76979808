"""An embedding cache that is written while the next texts are encoded."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from embfeast.encoding.cache import EmbeddingCache, Key
from embfeast.encoding.encoder import Encoder


@contextmanager
def write_behind(encoder: Encoder) -> Iterator[None]:
    """Let an encoder's cache be written in a thread of its own; afterwards all is written.

    Parameters
    ----------
    encoder : Encoder
        With a cache or without one.
    """
    cache = encoder.cache
    if cache is None:
        yield
        return
    with ThreadPoolExecutor(1) as pool:
        encoder.cache = behind = _WrittenBehind(cache, pool)
        try:
            yield
            behind.wait()
        finally:
            encoder.cache = cache


class _WrittenBehind(EmbeddingCache):
    """Holds one `put` of vectors until they are in the cache. Any thread may use it."""

    def __init__(self, cache: EmbeddingCache, pool: ThreadPoolExecutor) -> None:
        super().__init__(cache.folder)
        self._pool = pool
        self._held: tuple[str, dict[Key, NDArray[np.float32]]] = ("", {})
        self._writing: Future[None] | None = None
        self._putting = Lock()

    def get(
        self, model: str, keys: Sequence[Key], dimension: int
    ) -> dict[Key, NDArray[np.float32]]:
        of, waiting = self._held  # a text read as a query has the same key under another model
        held = {key: waiting[key] for key in keys if key in waiting} if of == model else {}
        return held | super().get(model, [key for key in keys if key not in held], dimension)

    def put(self, model: str, vectors: dict[Key, NDArray[np.float32]]) -> None:
        with self._putting:
            self.wait()  # never more than one is held: memory stays bounded
            self._held = model, vectors
            self._writing = self._pool.submit(super().put, model, vectors)

    def wait(self) -> None:
        if self._writing:
            self._writing.result()
