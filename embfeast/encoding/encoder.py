"""The encoder: texts in, float32 vectors out, each text encoded once."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embfeast.encoding.backend import BACKENDS, Backend, BackendName, open_backend
from embfeast.encoding.cache import EmbeddingCache, Key
from embfeast.encoding.model import DEFAULT_MODEL, Model, resolve
from embfeast.encoding.pooling import POOLINGS, pool
from embfeast.errors import EmbfeastError

Vectors = NDArray[np.float32]

# A batch holds at most this many texts and this many word pieces, padding included: large enough
# to fill the cores, small enough that a batch of long texts stays in the caches.
BATCH_TEXTS = 64
BATCH_PIECES = 4096


class Encoder:
    """Encode texts with a sentence-transformers model.

    Parameters
    ----------
    model : str, default "all-MiniLM-L6-v2"
        A name that an installed package carries, a local folder, or a hub id.
    backend : {"auto", "onnx", "torch"}, default "auto"
        ``"auto"`` takes PyTorch on a GPU and ONNX Runtime on a CPU.
    threads : int, optional
        Threads inside one forward pass; all cores by default. Serve with one a worker.
    cache : EmbeddingCache, optional
        Where vectors are looked up and kept; none by default.

    Attributes
    ----------
    dimension : int
        Width of a vector.
    digest : str
        SHA-256 (hex) over the model's weights, tokenizer and settings.

    Notes
    -----
    With ONNX Runtime a text has the same bits alone and in any batch. Texts longer than the
    model's window (256 word pieces for the default model) are cut, as sentence-transformers does.

    Examples
    --------
    >>> encoder = Encoder()
    >>> vectors = encoder.encode(["I was charged twice.", "My parcel is late."])
    >>> vectors.shape, vectors.dtype
    ((2, 384), dtype('float32'))
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        backend: BackendName = "auto",
        threads: int | None = None,
        cache: EmbeddingCache | None = None,
    ) -> None:
        if backend not in BACKENDS:
            raise EmbfeastError(
                f"backend {backend!r} is unknown; choose from {', '.join(BACKENDS)}"
            )
        self.model = model
        self.backend = backend
        self.threads = threads
        self.cache = cache

    @property
    def dimension(self) -> int:
        """Width of a vector."""
        return self._model.dimension

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the model's weights, tokenizer and settings."""
        return self._model.digest

    def encode(
        self, texts: Sequence[str], *, progress: Callable[[int], Any] | None = None
    ) -> Vectors:
        """Return one unit-length vector a text.

        Parameters
        ----------
        texts : sequence of str
        progress : callable, optional
            Called with the number of texts done since the last call.

        Returns
        -------
        ndarray of shape (n, dim), float32

        Raises
        ------
        EmbfeastError
            A text is missing or no string: the caller decides what a missing text means.
        """
        return self.encode_pooled(texts, ["sentence"], progress=progress)["sentence"]

    def encode_pooled(
        self,
        texts: Sequence[str],
        poolings: Sequence[str],
        *,
        progress: Callable[[int], Any] | None = None,
    ) -> dict[str, Vectors]:
        """Return several poolings of each text, all from one forward pass.

        Parameters
        ----------
        texts : sequence of str
        poolings : sequence of {"sentence", "mean", "max", "cls"}
            ``"sentence"`` is the model's own pooling at unit length; the others pool the word
            pieces and are not scaled.
        progress : callable, optional
            Called with the number of texts done since the last call.

        Returns
        -------
        dict of ndarray of shape (n, dim), float32
        """
        _check_texts(texts)
        _check_poolings(poolings)
        hashes = [_sha256(text) for text in texts]
        first = {key: row for row, key in reversed(list(enumerate(hashes)))}
        found = self._cached(list(first), poolings)
        todo = [row for key, row in first.items() if any((key, p) not in found for p in poolings)]
        if progress and len(todo) < len(texts):
            progress(len(texts) - len(todo))
        if todo:
            found |= self._forward(texts, hashes, todo, poolings, progress)
        return {
            pooling: np.stack([found[key, pooling] for key in hashes])
            if hashes
            else np.empty((0, self.dimension), dtype=np.float32)
            for pooling in poolings
        }

    def _cached(self, keys: list[bytes], poolings: Sequence[str]) -> dict[Key, Vectors]:
        if self.cache is None:
            return {}
        wanted = [(key, pooling) for pooling in poolings for key in keys]
        return self.cache.get(self._cache_name, wanted, self.dimension)

    def _forward(
        self,
        texts: Sequence[str],
        hashes: list[bytes],
        rows: list[int],
        poolings: Sequence[str],
        progress: Callable[[int], Any] | None,
    ) -> dict[Key, Vectors]:
        encoded = self._tokenizer.encode_batch([self._clean(texts[row]) for row in rows])
        pieces = [encoding.ids for encoding in encoded]
        made: dict[Key, Vectors] = {}
        for batch in _batches(pieces):
            ids, mask = _pad([pieces[i] for i in batch])
            states = self._backend.states(ids, mask)
            for position, i in enumerate(batch):
                own = states[position, : len(pieces[i])]
                for pooling in poolings:
                    vector = pool(own, pooling, self._model.pooling)
                    made[hashes[rows[i]], pooling] = vector
            if progress:
                progress(len(batch))
        _check_finite(made, self.model)
        if self.cache is not None:
            self.cache.put(self._cache_name, made)
        return made

    def _clean(self, text: str) -> str:
        if self._model.lower_case:
            text = text.lower()
        try:
            text.encode()
        except UnicodeEncodeError:  # lone surrogates, which the tokenizer cannot take
            return text.encode(errors="replace").decode()
        return text

    @cached_property
    def _model(self) -> Model:
        return resolve(self.model)

    @cached_property
    def _backend(self) -> Backend:
        return open_backend(self.backend, self._model, self.threads)

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._model.folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self._model.max_pieces)
        return tokenizer

    @property
    def _cache_name(self) -> str:
        # The backend is part of it: another backend's vectors differ in the last bits.
        return f"{self.digest[:32]}-{self._backend.name}"

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open model behind: it is opened again where the encoder arrives."""
        opened = {"_model", "_backend", "_tokenizer"}
        return {key: value for key, value in vars(self).items() if key not in opened}

    def __repr__(self) -> str:
        return f"Encoder(model={self.model!r}, backend={self.backend!r})"


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise EmbfeastError("encode takes a list of texts, got one string; write encode([text])")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            what = "missing" if text is None else f"a {type(text).__name__}"
            raise EmbfeastError(
                f"text {row} is {what}, not a string; leave missing texts out, or use "
                "FittedRecipe.transform, which gives them null features"
            )


def _check_poolings(poolings: Sequence[str]) -> None:
    if unknown := sorted(set(poolings) - set(POOLINGS)):
        raise EmbfeastError(
            f"pooling {', '.join(map(repr, unknown))} is unknown; choose from {', '.join(POOLINGS)}"
        )


def _check_finite(made: dict[Key, Vectors], model: str) -> None:
    if not all(np.isfinite(vector).all() for vector in made.values()):
        raise EmbfeastError(
            f"model {model!r} gave a vector that is not finite; its weights are damaged or not "
            "made for float32"
        )


def _batches(pieces: list[list[int]]) -> Iterator[list[int]]:
    """Cut texts, longest first, into batches of like length."""
    order = sorted(range(len(pieces)), key=lambda i: -len(pieces[i]))
    start = 0
    while start < len(order):
        longest = len(pieces[order[start]])
        size = max(1, min(BATCH_TEXTS, BATCH_PIECES // longest))
        yield order[start : start + size]
        start += size


def _pad(pieces: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    width = max(map(len, pieces))
    ids = np.zeros((len(pieces), width), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, own in enumerate(pieces):
        ids[row, : len(own)] = own
        mask[row, : len(own)] = 1
    return ids, mask
