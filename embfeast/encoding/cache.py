"""The embedding cache: one text is encoded once, whatever asks for it."""

import sqlite3
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from embfeast.encoding.facts import cache_folder
from embfeast.errors import EmbfeastError

Key = tuple[bytes, str]  # SHA-256 of the text, pooling
WAIT = 60  # seconds for another writer
BATCH = 500  # SQLite binds at most some 30,000 values; small batches keep locks short
TABLE = "CREATE TABLE vectors (text BLOB, pooling TEXT, vector BLOB, PRIMARY KEY (text, pooling))"


class EmbeddingCache:
    """Vectors by (model, pooling, SHA-256 of the text), kept in SQLite files.

    One file a model and backend. SQLite's write-ahead log lets several processes read while one
    writes; writers wait for each other at a lock file. Texts themselves are not kept.

    Parameters
    ----------
    folder : path, optional
        ``embeddings`` in the user's cache folder by default.

    Examples
    --------
    >>> import tempfile
    >>> cache = EmbeddingCache(tempfile.mkdtemp())
    >>> cache.put("model", {(b"sha", "mean"): np.ones(2, dtype=np.float32)})
    >>> cache.get("model", [(b"sha", "mean"), (b"sha", "max")], dimension=2)
    {(b'sha', 'mean'): array([1., 1.], dtype=float32)}
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else cache_folder() / "embeddings"

    def get(
        self, model: str, keys: Sequence[Key], dimension: int
    ) -> dict[Key, NDArray[np.float32]]:
        """Return the vectors that are there; a damaged one counts as absent.

        Parameters
        ----------
        model : str
            Digest of the model and name of the backend.
        keys : sequence of (SHA-256 of the text, pooling)
        dimension : int
            Width that a sound vector has.
        """
        if not self.file(model).exists():
            return {}
        try:
            return self._read(model, keys, dimension)
        except sqlite3.Error as error:
            _warn("read", self.file(model), error)
            return {}

    def _read(
        self, model: str, keys: Sequence[Key], dimension: int
    ) -> dict[Key, NDArray[np.float32]]:
        found: dict[Key, NDArray[np.float32]] = {}
        with closing(sqlite3.connect(self.file(model), timeout=WAIT)) as connection:
            for pooling in sorted({pooling for _, pooling in keys}):
                texts = [text for text, of in keys if of == pooling]
                for batch in _batches(texts):
                    marks = ",".join("?" * len(batch))
                    rows = connection.execute(
                        f"SELECT text, vector FROM vectors WHERE pooling = ? AND text IN ({marks})",
                        [pooling, *batch],
                    )
                    sound = [(text, blob) for text, blob in rows if len(blob) == 4 * dimension]
                    vectors = np.frombuffer(b"".join(blob for _, blob in sound), dtype="<f4")
                    vectors = vectors.reshape(-1, dimension)
                    finite = np.isfinite(vectors).all(axis=1).tolist()
                    found.update(
                        ((text, pooling), vector)
                        for (text, _), vector, whole in zip(sound, vectors, finite, strict=True)
                        if whole
                    )
        return found

    def put(self, model: str, vectors: dict[Key, NDArray[np.float32]]) -> None:
        """Keep vectors; those that are there already are replaced.

        A cache that cannot be written costs time, not results: it is warned of and left.
        """
        # In the order of the index, so that each of its pages is met once.
        rows = [(*key, vectors[key].astype("<f4").tobytes()) for key in sorted(vectors)]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (
                FileLock(self.file(model).with_suffix(".lock"), timeout=WAIT),
                closing(self._writer(model)) as connection,
                connection,
            ):
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
        except (sqlite3.Error, OSError) as error:  # a lock's timeout is an OSError
            _warn("written", self.file(model), error)

    def forget(self, texts: Collection[bytes]) -> int:
        """Remove what is kept of texts, by their SHA-256; return of how many there was something.

        Raises
        ------
        EmbfeastError
            A file cannot be written.
        """
        gone: set[bytes] = set()
        for file in sorted(self.folder.glob("*.sqlite")):
            try:
                with (
                    FileLock(file.with_suffix(".lock"), timeout=WAIT),
                    closing(sqlite3.connect(file, timeout=WAIT)) as connection,
                ):
                    connection.execute("PRAGMA secure_delete = ON")
                    with connection:
                        for batch in _batches(sorted(texts)):
                            among = f"WHERE text IN ({','.join('?' * len(batch))})"
                            found = connection.execute(f"SELECT text FROM vectors {among}", batch)
                            gone |= {text for (text,) in found}
                            connection.execute(f"DELETE FROM vectors {among}", batch)
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except (sqlite3.Error, OSError) as error:
                raise EmbfeastError(
                    f"embedding cache {file} cannot be written ({error})",
                    "remove the file: its texts are encoded again",
                ) from error
        return len(gone)

    def file(self, model: str) -> Path:
        """Return where the vectors of a model and backend are kept."""
        return self.folder / f"{model}.sqlite"

    def _writer(self, model: str) -> sqlite3.Connection:
        file = self.file(model)
        if not file.exists():
            _create(file)
        connection = sqlite3.connect(file, timeout=WAIT)
        # A crash may lose the last vectors but never damages the file; they are encoded again.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


def _create(file: Path) -> None:
    # Readers see a whole file or none: SQLite does not wait where a file is being set up.
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with closing(sqlite3.connect(new)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(TABLE)
    new.replace(file)


def _warn(what: str, file: Path, error: Exception) -> None:
    warnings.warn(
        f"embedding cache {file} cannot be {what} ({error}); texts are encoded without it. Remove "
        "the file if it is damaged",
        stacklevel=3,
    )


def _batches(values: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]
