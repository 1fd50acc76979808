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
from embfeast.encoding.pooling import Pooling
from embfeast.encoding.windows import cut_windows, stitch
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
        poolings: Sequence[str | Pooling],
        *,
        progress: Callable[[int], Any] | None = None,
    ) -> dict[str, Vectors]:
        """Return several poolings of each text, all from one forward pass.

        Parameters
        ----------
        texts : sequence of str
        poolings : sequence of Pooling or of {"sentence", "mean", "max", "cls"}
            ``"sentence"`` is the model's own pooling at unit length; the others pool the word
            pieces and are not scaled.
        progress : callable, optional
            Called with the number of texts done since the last call.

        Returns
        -------
        dict of ndarray of shape (n, dim), float32
            By the poolings' keys.
        """
        _check_texts(texts)
        wanted = {p.key: p for p in map(_pooling, poolings)}
        hashes = [_sha256(text) for text in texts]
        first = {key: row for row, key in reversed(list(enumerate(hashes)))}
        found = self._cached(list(first), list(wanted))
        todo = [row for key, row in first.items() if any((key, p) not in found for p in wanted)]
        if progress and len(todo) < len(texts):
            progress(len(texts) - len(todo))
        if todo:
            found |= self._encode_new(texts, hashes, todo, list(wanted.values()), progress)
        return {
            pooling: np.stack([found[key, pooling] for key in hashes])
            if hashes
            else np.empty((0, self.dimension), dtype=np.float32)
            for pooling in wanted
        }

    def pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of each text's word pieces, whole and without the special ones.

        Parameters
        ----------
        texts : sequence of str
        """
        _check_texts(texts)
        found = self._whole_tokenizer.encode_batch(
            [self._clean(text) for text in texts], add_special_tokens=False
        )
        return [encoding.ids for encoding in found]

    @property
    def vocabulary(self) -> int:
        """Number of word pieces that the model knows."""
        return int(self._tokenizer.get_vocab_size())

    @property
    def special_pieces(self) -> frozenset[int]:
        """The pieces that the model puts around a text, which are no words."""
        before, after = self._special
        return frozenset(before + after)

    def _cached(self, keys: list[bytes], poolings: Sequence[str]) -> dict[Key, Vectors]:
        if self.cache is None:
            return {}
        wanted = [(key, pooling) for pooling in poolings for key in keys]
        return self.cache.get(self._cache_name, wanted, self.dimension)

    def _encode_new(
        self,
        texts: Sequence[str],
        hashes: list[bytes],
        rows: list[int],
        poolings: list[Pooling],
        progress: Callable[[int], Any] | None,
    ) -> dict[Key, Vectors]:
        made: dict[Key, Vectors] = {}
        whole = self._longer_than_window(texts, rows) if any(p.windows for p in poolings) else {}
        for row, own_pieces in whole.items():
            for pooling, vector in self._read_whole(own_pieces, poolings):
                made[hashes[row], pooling.key] = vector
            if progress:
                progress(1)
        short = [row for row in rows if row not in whole]
        encoded = self._tokenizer.encode_batch([self._clean(texts[row]) for row in short])
        pieces = [encoding.ids for encoding in encoded]
        for batch in _batches(pieces):
            states = self._states([pieces[i] for i in batch], poolings)
            for position, i in enumerate(batch):
                for pooling in poolings:
                    own = states[pooling.layered][position, : len(pieces[i])]
                    vector = pooling(own, pieces[i], self._model.pooling)
                    made[hashes[short[i]], pooling.key] = vector
            if progress:
                progress(len(batch))
        _check_finite(made, self.model)
        if self.cache is not None:
            self.cache.put(self._cache_name, made)
        return made

    def _states(self, pieces: list[list[int]], poolings: list[Pooling]) -> list[Vectors]:
        """Return the last layer's states and, where a pooling asks, the last four layers' mean."""
        ids, mask = _pad(pieces)
        if any(pooling.layered for pooling in poolings):
            return list(self._backend.layered(ids, mask))
        return [self._backend.states(ids, mask)]

    def _longer_than_window(self, texts: Sequence[str], rows: list[int]) -> dict[int, list[int]]:
        own = self.pieces([texts[row] for row in rows])
        room = self._model.max_pieces - sum(map(len, self._special))
        return {row: ids for row, ids in zip(rows, own, strict=True) if len(ids) > room}

    def _read_whole(
        self, pieces: list[int], poolings: list[Pooling]
    ) -> Iterator[tuple[Pooling, Vectors]]:
        """Yield the poolings of a text longer than the window, its windows encoded once each."""
        windows = cut_windows(pieces, self._special, self._model.max_pieces)
        layers: list[list[Vectors]] = [[], []]
        for batch in _in_order(windows):
            for kept, states in zip(layers, self._states(batch, poolings), strict=False):
                kept += [own[: len(ids)] for own, ids in zip(states, batch, strict=True)]
        for pooling in poolings:
            states, own = layers[pooling.layered][0], windows[0]
            if pooling.windows:
                states, own = stitch(layers[pooling.layered], windows, self._special)
            yield pooling, pooling(states, own, self._model.pooling)

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

    @cached_property
    def _whole_tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._model.folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _special(self) -> tuple[list[int], list[int]]:
        """The special pieces that the model expects before and after a text."""
        bare = self._whole_tokenizer.encode("a", add_special_tokens=False).ids
        full = self._whole_tokenizer.encode("a").ids
        start = full.index(bare[0])
        return full[:start], full[start + len(bare) :]

    @property
    def _cache_name(self) -> str:
        # The backend is part of it: another backend's vectors differ in the last bits.
        return f"{self.digest[:32]}-{self._backend.name}"

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open model behind: it is opened again where the encoder arrives."""
        opened = {"_model", "_backend", "_tokenizer", "_whole_tokenizer"}
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


def _pooling(given: str | Pooling) -> Pooling:
    return given if isinstance(given, Pooling) else Pooling(given)  # type: ignore[arg-type]


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


def _in_order(windows: list[list[int]]) -> Iterator[list[list[int]]]:
    """Cut the windows of one text into batches; all but the last window are of one length."""
    size = max(1, min(BATCH_TEXTS, BATCH_PIECES // len(windows[0])))
    for start in range(0, len(windows), size):
        yield windows[start : start + size]


def _pad(pieces: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    width = max(map(len, pieces))
    ids = np.zeros((len(pieces), width), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, own in enumerate(pieces):
        ids[row, : len(own)] = own
        mask[row, : len(own)] = 1
    return ids, mask
