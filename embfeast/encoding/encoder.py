"""The encoder: texts in, float32 vectors out, each text encoded once."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embfeast import counts
from embfeast.encoding.backend import open_backend
from embfeast.encoding.batch import Backend, Batch, Output, of_like_lengths, of_one_length
from embfeast.encoding.cache import EmbeddingCache, Key
from embfeast.encoding.model import Model, resolve
from embfeast.encoding.pieces import Pieces
from embfeast.encoding.pooling import Pooling, check_finite, output_of, pooled, pooling_of, unit
from embfeast.encoding.settings import (
    BACKENDS,
    DEFAULT_MODEL,
    BackendName,
    ModelSettings,
    model_settings,
    plain,
)
from embfeast.encoding.strings import checked, clean, sha256
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
    model : str or ModelSettings, default "all-MiniLM-L6-v2"
        A name that an installed package carries, a local folder, or a hub id.
    backend : {"auto", "onnx", "torch", "openai"}, optional
        By default PyTorch on a GPU, and on a CPU ONNX Runtime where it was proved to be right;
        ``"openai"`` asks a server.
    threads : int, optional
        Batches encoded side by side, and threads on a single text; all cores by default. Serve
        with one a worker.
    cache : EmbeddingCache, optional
        Where vectors are looked up and kept; none by default.
    **settings
        More of `ModelSettings`: ``prompt``, ``truncate_dim``, ``normalize`` and others.

    Attributes
    ----------
    dimension : int
        Width of a sentence vector.
    width : int
        Width of the poolings of word pieces.
    digest : str
        SHA-256 (hex) over the model's weights, tokenizer and settings.
    graph : Path or None
        The model in eight bits, where a recipe has calibrated it on texts of its own.

    Notes
    -----
    Texts of one length are encoded together, so nothing is padded; on a GPU texts of like lengths
    are, and the padding is masked. With ONNX Runtime a text has the same bits alone and in any
    batch. Texts longer than the model's window (256 word pieces for the default model) are cut, as
    sentence-transformers does.

    Examples
    --------
    >>> encoder = Encoder()
    >>> vectors = encoder.encode(["I was charged twice.", "My parcel is late."])
    >>> vectors.shape, vectors.dtype
    ((2, 384), dtype('float32'))
    """

    def __init__(
        self,
        model: str | ModelSettings = DEFAULT_MODEL,
        *,
        backend: BackendName | None = None,
        threads: int | None = None,
        cache: EmbeddingCache | None = None,
        **settings: Any,
    ) -> None:
        if backend is not None and backend not in BACKENDS:
            raise EmbfeastError(
                f"backend {backend!r} is unknown; choose from {', '.join(BACKENDS)}"
            )
        chosen = {} if backend is None else {"backend": backend}
        self.settings = model_settings(model, **settings, **chosen)
        self.threads = threads
        self.cache = cache
        self.graph: Path | None = None

    @property
    def model(self) -> str | ModelSettings:
        """The model as a recipe says it: its name, or its settings where more was said."""
        said: str | ModelSettings = plain(self.settings.model_dump())
        return said

    @property
    def dimension(self) -> int:
        """Width of a sentence vector."""
        return self._model.dimension

    @property
    def width(self) -> int:
        """Width of the poolings of word pieces."""
        return self._model.facts.width

    @property
    def max_pieces(self) -> int | None:
        """Word pieces that are read of a text, special ones included; None where all are."""
        return self._model.max_pieces

    @property
    def query(self) -> "Encoder":
        """The encoder of queries: this one, unless the model's settings say their prompt."""
        if not self.settings.reads_queries:
            return self
        query = self._query
        query.cache = self.cache  # this one may have been given another since
        return query

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the model's weights, tokenizer and settings."""
        return self._model.digest

    def encode(
        self, texts: Sequence[str], *, progress: Callable[[int], Any] | None = None
    ) -> Vectors:
        """Return one vector a text, of unit length unless the settings say otherwise.

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
            ``"sentence"`` is what `encode` gives; the others pool the word pieces and are not
            scaled.
        progress : callable, optional
            Called with the number of texts done since the last call.

        Returns
        -------
        dict of ndarray of shape (n, dim), float32
            By the poolings' keys.
        """
        texts = checked(texts)
        wanted = {p.key: p for p in map(pooling_of, poolings)}
        hashes = [sha256(text) for text in texts]
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
            else np.empty((0, self._width_of(pooling)), dtype=np.float32)
            for pooling in wanted
        }

    def pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of each text's word pieces, whole and without the special ones.

        Parameters
        ----------
        texts : sequence of str
        """
        texts = checked(texts)
        return self._pieces.whole([clean(text) for text in texts])

    @cached_property
    def probes(self) -> Vectors | None:
        """Vectors of a few fixed texts by a served model; None for a model whose files are here.

        Raises
        ------
        EmbfeastError
            They are not those that the cache has kept: the server's model is another one now.
        """
        if self.settings.backend != "openai":
            return None
        from embfeast.encoding.backends.served import PROBES, compare

        hashes, sentence = [sha256(text) for text in PROBES], pooling_of("sentence")
        kept = self._cached(hashes, [sentence.key])
        batch = Batch(range(len(PROBES)), PROBES, [])
        now = self._read_batch(hashes, batch, [sentence], alone=True)[1]
        if kept:
            compare(
                self.settings.name,
                np.stack([kept[key] for key in kept]),
                np.stack([now[key] for key in kept]),
                f"bring the former one back; or, to go on with this one, remove "
                f"{self.cache and self.cache.file(self._cache_name)} and fit again",
            )
        self._keep({key: vector for key, vector in now.items() if key not in kept})
        return np.stack([(now | kept)[key] for key in now])

    def with_graph(self, graph: Path | None) -> "Encoder":
        """Return an encoder whose eight bits are those of a graph; of embfeast's own by None."""
        twin = Encoder(self.settings, threads=self.threads, cache=self.cache)
        twin.graph = graph
        return twin

    def with_cache(self, cache: EmbeddingCache | None) -> "Encoder":
        """Return an encoder that shares this one's open model and uses another cache, or none."""
        twin = Encoder(self.settings, threads=self.threads, cache=cache)
        twin.graph = self.graph
        twin._model, twin._backend, twin._pieces = self._model, self._backend, self._pieces
        if "_query" in vars(self):
            twin._query = self._query.with_cache(cache)
        return twin

    @property
    def vocabulary(self) -> int:
        """Number of word pieces that the model knows."""
        return self._pieces.vocabulary

    @property
    def special_pieces(self) -> frozenset[int]:
        """The pieces that the model puts around a text, which are no words."""
        before, after = self._pieces.special
        return frozenset(before + after)

    def _cached(self, keys: list[bytes], poolings: Sequence[str]) -> dict[Key, Vectors]:
        if self.cache is None:
            return {}
        found: dict[Key, Vectors] = {}
        for pooling in poolings:
            wanted = [(key, pooling) for key in keys]
            found |= self.cache.get(self._cache_name, wanted, self._width_of(pooling))
        return found

    def _width_of(self, pooling: str) -> int:
        return self.dimension if pooling == "sentence" else self.width

    def _encode_new(
        self,
        texts: Sequence[str],
        hashes: list[bytes],
        rows: list[int],
        poolings: list[Pooling],
        progress: Callable[[int], Any] | None,
    ) -> dict[Key, Vectors]:
        if self.cache is not None:  # before a changed model's vectors come beside the former one's
            _ = self.probes
        cleaned = {row: clean(texts[row]) for row in rows}
        windowed = [pooling for pooling in poolings if pooling.windows]
        whole = self._longer_than_window(cleaned) if windowed else {}
        in_window = [pooling for pooling in poolings if not pooling.windows]
        jobs: list[Job] = [
            partial(self._read_whole, hashes[row], pieces, windowed, counts_as=not in_window)
            for row, pieces in whole.items()
        ]
        cut = [(batch, poolings) for batch in self._batches(cleaned, set(rows) - set(whole))]
        if in_window:
            cut += [(batch, in_window) for batch in self._batches(cleaned, set(whole))]
        alone = not jobs and len(cut) == 1
        jobs += [
            partial(self._read_batch, [hashes[row] for row in batch.rows], batch, wanted, alone)
            for batch, wanted in cut
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

    def _batches(self, texts: dict[int, str], rows: set[int]) -> list[Batch]:
        """Cut the texts of some rows into batches, longest first, each of one length."""
        given = sorted(rows)
        if not given:
            return []
        most = self._backend.batch_texts
        if not self._backend.batch_pieces:
            given.sort(key=lambda row: -len(texts[row]))
            parts = [given[start : start + most] for start in range(0, len(given), most)]
            return [Batch(part, [texts[row] for row in part], []) for part in parts]
        pieces = self._pieces.read([texts[row] for row in given])
        cut = of_like_lengths if self._backend.pads else of_one_length
        return [
            Batch([given[i] for i in part], [texts[given[i]] for i in part], own)
            for part, own in cut(pieces, self._backend.batch_pieces, most)
        ]

    def _read_batch(
        self, hashes: list[bytes], batch: Batch, poolings: list[Pooling], alone: bool
    ) -> tuple[int, Made]:
        wanted = frozenset(map(output_of, poolings))
        read = self._backend.read(batch, wanted, alone=alone)
        made: Made = {}
        for pooling in poolings:
            out = read[output_of(pooling)]
            sentence = pooling.kind == "sentence"
            vectors = self._finished(out) if sentence else pooled(pooling, out, batch.pieces)
            check_finite(vectors, self.settings.name)
            made.update(
                ((text, pooling.key), own) for text, own in zip(hashes, vectors, strict=True)
            )
        return len(hashes), made

    def _finished(self, vectors: Vectors) -> Vectors:
        """Truncate and scale what the model's last module gave."""
        most, is_unit = self.settings.truncate_dim, self._model.facts.normalized
        if most is not None and most < vectors.shape[1]:
            vectors, is_unit = vectors[:, :most], False
        return unit(vectors) if self.settings.normalize and not is_unit else vectors

    def _longer_than_window(self, texts: dict[int, str]) -> dict[int, list[int]]:
        if self.max_pieces is None:
            return {}
        prompted = [self._model.prompt + text for text in texts.values()]
        room = self.max_pieces - sum(map(len, self._pieces.special))
        own = self._pieces.whole(prompted)
        return {row: ids for row, ids in zip(texts, own, strict=True) if len(ids) > room}

    def _read_whole(
        self, text: bytes, pieces: list[int], poolings: list[Pooling], *, counts_as: bool
    ) -> tuple[int, Made]:
        """Pool a text longer than the window, its windows encoded once each."""
        assert self.max_pieces is not None  # noqa: S101 - longer than the window
        special = self._pieces.special
        windows = cut_windows(pieces, special, self.max_pieces)
        wanted = frozenset(map(output_of, poolings))
        kept: dict[Output, dict[int, Vectors]] = {output: {} for output in wanted}
        for part, own in of_one_length(
            windows, self._backend.batch_pieces, self._backend.batch_texts
        ):
            read = self._backend.read(Batch(part, [], own), wanted, alone=False)
            for output in wanted:
                kept[output].update(zip(part, read[output], strict=True))
        made: Made = {}
        for pooling in poolings:
            of_output = kept[output_of(pooling)]
            states = [of_output[i] for i in range(len(windows))]
            joined, ids = stitch(states, windows, special)
            vectors = pooling(joined[None], [ids])
            check_finite(vectors, self.settings.name)
            made[text, pooling.key] = vectors[0]
        return int(counts_as), made

    @cached_property
    def _model(self) -> Model:
        model = resolve(self.settings)
        return model if self.graph is None else replace(model, graph=self.graph)

    @cached_property
    def _backend(self) -> Backend:
        return open_backend(self.settings.backend, self._model, self.threads)

    @cached_property
    def _pieces(self) -> Pieces:
        return Pieces(self._model)

    @cached_property
    def _query(self) -> "Encoder":
        no_more = dict.fromkeys(["prompt_name", "query_prompt", "query_prompt_name"])
        said = {**no_more, "prompt": self._model.query_prompt}
        query = Encoder(self.settings.model_copy(update=said), threads=self.threads)
        query.graph = self.graph
        if self._model.facts.prompt_is_pooled and not self._backend.reads_texts:
            query._backend = self._backend  # word pieces are read alike, whatever they begin with
        return query

    @property
    def _cache_name(self) -> str:
        # The backend is part of it: another backend's vectors differ in the last bits.
        return f"{self.digest[:32]}-{self._backend.name}"

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open model behind: it is opened again where the encoder arrives."""
        opened = {"_model", "_backend", "_pieces", "_query", "probes"}
        return {key: value for key, value in vars(self).items() if key not in opened}

    def __repr__(self) -> str:
        return f"Encoder({self.settings!r})"
