"""The encoder: texts in, float32 vectors out, each text encoded once."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embfeast import counts
from embfeast.encoding.backend import BACKENDS, Backend, BackendName, open_backend
from embfeast.encoding.cache import EmbeddingCache, Key
from embfeast.encoding.model import DEFAULT_MODEL, Model, resolve
from embfeast.encoding.pooling import Pooling
from embfeast.encoding.windows import cut_windows, stitch
from embfeast.errors import EmbfeastError

Vectors = NDArray[np.float32]

Made = dict[Key, Vectors]
Job = Callable[[], tuple[int, Made]]

# Seconds after which vectors go into the cache while others are still made: a run that is killed
# has to encode no more than these again.
LONGEST_UNKEPT = 30.0


class Encoder:
    """Encode texts with a sentence-transformers model.

    Parameters
    ----------
    model : str, default "all-MiniLM-L6-v2"
        A name that an installed package carries, a local folder, or a hub id.
    backend : {"auto", "onnx", "torch"}, default "auto"
        ``"auto"`` takes PyTorch on a GPU and ONNX Runtime on a CPU.
    threads : int, optional
        Batches encoded side by side, and threads on a single text; all cores by default. Serve
        with one a worker.
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
    Texts of one length are encoded together, so nothing is padded. With ONNX Runtime a text has
    the same bits alone and in any batch. Texts longer than the
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
        texts = _checked(texts)
        wanted = {p.key: p for p in map(_pooling, poolings)}
        hashes = [_sha256(text) for text in texts]
        first = {key: row for row, key in reversed(list(enumerate(hashes)))}
        found = self._cached(list(first), list(wanted))
        todo = [row for key, row in first.items() if any((key, p) not in found for p in wanted)]
        counts.add("texts_encoded", len(todo))
        counts.add("cache_hits", len(first) - len(todo))
        if progress and len(todo) < len(texts):
            progress(len(texts) - len(todo))
        if todo:
            found |= self._encode_new(texts, hashes, todo, list(wanted.values()), progress)
        return {
            pooling: np.concatenate([found[key, pooling] for key in hashes]).reshape(
                len(hashes), -1
            )
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
        texts = _checked(texts)
        found = self._whole_tokenizer.encode_batch(
            [self._clean(text) for text in texts], add_special_tokens=False
        )
        return [encoding.ids for encoding in found]

    def with_cache(self, cache: EmbeddingCache | None) -> "Encoder":
        """Return an encoder that shares this one's open model and uses another cache, or none."""
        twin = Encoder(self.model, backend=self.backend, threads=self.threads, cache=cache)
        twin._model, twin._backend, twin._tokenizer = self._model, self._backend, self._tokenizer
        return twin

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
        whole = self._longer_than_window(texts, rows) if any(p.windows for p in poolings) else {}
        jobs: list[Job] = [
            partial(self._read_whole, hashes[row], pieces, poolings)
            for row, pieces in whole.items()
        ]
        short = [row for row in rows if row not in whole]
        encoded = self._tokenizer.encode_batch([self._clean(texts[row]) for row in short])
        pieces = [encoding.ids for encoding in encoded]
        cut = list(_batches(pieces, self._backend.batch_pieces)) if short else []
        alone = not jobs and len(cut) == 1
        jobs += [
            partial(
                self._read_batch,
                [hashes[short[i]] for i in batch],
                [pieces[i] for i in batch],
                poolings,
                alone=alone,
            )
            for batch in cut
        ]
        made: Made = {}
        fresh: Made = {}
        since = time.monotonic()
        for texts_done, vectors in self._side_by_side(jobs):
            fresh |= vectors
            if progress:
                progress(texts_done)
            if time.monotonic() - since > LONGEST_UNKEPT:
                self._keep(fresh)
                made |= fresh
                fresh, since = {}, time.monotonic()
        self._keep(fresh)
        return made | fresh

    def _keep(self, vectors: Made) -> None:
        if self.cache is not None and vectors:
            self.cache.put(self._cache_name, vectors)

    def _side_by_side(self, jobs: list[Job]) -> Iterator[tuple[int, Made]]:
        """Yield the results of jobs, as many at a time as the backend has workers."""
        workers = min(self._backend.workers, len(jobs))
        if workers < 2:
            yield from (job() for job in jobs)
            return
        pool = ThreadPoolExecutor(workers)
        try:
            yield from pool.map(lambda job: job(), jobs)
        finally:  # where one has failed or somebody stops us, the others need not begin
            pool.shutdown(cancel_futures=True)

    def _read_batch(
        self,
        hashes: list[bytes],
        pieces: list[list[int]],
        poolings: list[Pooling],
        *,
        alone: bool,
    ) -> tuple[int, Made]:
        states = self._states(pieces, poolings, alone=alone)
        made: Made = {}
        for pooling in poolings:
            vectors = pooling(states[pooling.layered], pieces, self._model.pooling)
            _check_finite(vectors, self.model)
            made.update(
                ((text, pooling.key), own) for text, own in zip(hashes, vectors, strict=True)
            )
        return len(hashes), made

    def _states(
        self, pieces: list[list[int]], poolings: list[Pooling], *, alone: bool = False
    ) -> list[Vectors]:
        """Return the last layer's states and, where a pooling asks, the last four layers' mean."""
        ids = np.array(pieces, dtype=np.int64)
        if any(pooling.layered for pooling in poolings):
            return list(self._backend.layered(ids))
        return [self._backend.states(ids, alone=alone)]

    def _longer_than_window(self, texts: Sequence[str], rows: list[int]) -> dict[int, list[int]]:
        own = self.pieces([texts[row] for row in rows])
        room = self._model.max_pieces - sum(map(len, self._special))
        return {row: ids for row, ids in zip(rows, own, strict=True) if len(ids) > room}

    def _read_whole(
        self, text: bytes, pieces: list[int], poolings: list[Pooling]
    ) -> tuple[int, Made]:
        """Pool a text longer than the window, its windows encoded once each."""
        windows = cut_windows(pieces, self._special, self._model.max_pieces)
        layers: list[dict[int, Vectors]] = [{}, {}]
        for batch in _batches(windows, self._backend.batch_pieces):
            states = self._states([windows[i] for i in batch], poolings)
            for kept, of_layer in zip(layers, states, strict=False):
                kept.update(zip(batch, of_layer, strict=True))
        made: Made = {}
        for pooling in poolings:
            in_order = [layers[pooling.layered][i] for i in range(len(windows))]
            whole, own = in_order[0], windows[0]
            if pooling.windows:
                whole, own = stitch(in_order, windows, self._special)
            vectors = pooling(whole[None], [own], self._model.pooling)
            _check_finite(vectors, self.model)
            made[text, pooling.key] = vectors[0]
        return 1, made

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


def _checked(texts: Sequence[str]) -> list[str]:
    """Return texts by position: a pandas Series would be asked by its index."""
    if isinstance(texts, str):
        raise EmbfeastError("encode takes a list of texts, got one string; write encode([text])")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            what = "missing" if text is None else f"a {type(text).__name__}"
            raise EmbfeastError(
                f"text {row} is {what}, not a string; leave missing texts out, or use "
                "FittedRecipe.transform, which gives them null features"
            )
    return list(texts)


def _pooling(given: str | Pooling) -> Pooling:
    return given if isinstance(given, Pooling) else Pooling(given)  # type: ignore[arg-type]


def _check_finite(vectors: Vectors, model: str) -> None:
    if not np.isfinite(vectors).all():
        raise EmbfeastError(
            f"model {model!r} gave a vector that is not finite; its weights are damaged or not "
            "made for float32"
        )


def _batches(pieces: list[list[int]], most: int) -> Iterator[list[int]]:
    """Cut texts, longest first, into batches of one length and at most so many word pieces."""
    order = sorted(range(len(pieces)), key=lambda i: -len(pieces[i]))
    for length, same in groupby(order, key=lambda i: len(pieces[i])):
        rows = list(same)
        size = max(1, most // length)
        yield from (rows[start : start + size] for start in range(0, len(rows), size))
