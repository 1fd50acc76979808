"""Most of the nearest rows of a bank by cosine: found by a graph (HNSW), decided by exact products.

The graph, of faiss, compares rows as bytes, whose distances are whole numbers: it is built, and it
finds, the same on every processor.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.tricks.parts.nearest import Found, Numbers, Rows, nearest, nearest_of

LINKS, LOOKED_AT = 16, 100  # of a row in the graph; while a row is put into it
WIDTHS = (64, 128, 256, 512)  # rows that a search looks at, tried until it finds enough
ENOUGH = 0.99
HELD_OUT = 1_000
ROWS = 8_192  # put into the graph, or asked for, at a time
LANES = 16  # faiss compares bytes as whole numbers where rows have a multiple of so many

Graph = NDArray[np.uint8]


def build(bank: Rows, count: int, seed: int) -> tuple[Graph, dict[str, list[float]]]:
    """Return the graph of a bank as bytes, and how many of the nearest a search finds.

    Parameters
    ----------
    bank : ndarray of shape (m, dim), float32
        Unit vectors.
    count : int
        Neighbours of a row.
    seed : int
        Of the draw of rows that are asked for before they are in the graph.

    Returns
    -------
    graph : ndarray of uint8
        As `GraphSearch` takes it. It searches as widely as it takes to find `ENOUGH` of the
        nearest, or as the last of `WIDTHS`.
    curve : dict of list
        The widths tried (``width``), and the share of the `count` nearest rows that was found, over
        the rows asked for (``recall``).
    """
    faiss = _faiss()
    search = GraphSearch(bank, None)
    number = min(HELD_OUT, -(-len(bank) // 10))
    asked = np.sort(np.random.default_rng(seed).choice(len(bank), number, replace=False))
    others = np.setdiff1d(np.arange(len(bank)), asked)
    search.add(others)
    count = min(count, len(others))
    last = nearest(bank[asked], bank[others], count)[1][:, -1:]
    nothing = np.full(number, -1)
    curve: dict[str, list[float]] = {"width": [], "recall": []}
    for width in WIDTHS:
        search.hnsw.efSearch = width
        found = search.nearest(bank[asked], count, nothing)[1]
        recall = float((found >= last).mean()) if count else 1.0
        curve["width"].append(float(width))
        curve["recall"].append(recall)
        if recall >= ENOUGH:
            break
    search.add(asked)
    return faiss.serialize_index(search.index), curve


class GraphSearch:
    """Searches a bank through its graph.

    Parameters
    ----------
    bank : ndarray of shape (m, dim), float32
        Unit vectors.
    graph : ndarray of uint8 or None
        As `build` returns it; None for an empty one.
    """

    def __init__(self, bank: Rows, graph: Graph | None) -> None:
        faiss = _faiss()
        self.bank = bank
        low, high = bank.min(axis=0), bank.max(axis=0)
        self._centre = (low + high) / 2
        half = float((high - low).max()) / 2
        self._scale = np.float32(127 / half if half else 1.0)
        if graph is None:
            width = -(-bank.shape[1] // LANES) * LANES
            built = faiss.IndexHNSWSQ(width, faiss.ScalarQuantizer.QT_8bit_direct, LINKS)
            built.hnsw.efConstruction = LOOKED_AT
            self.index = faiss.IndexIDMap(built)
        else:
            self.index = faiss.deserialize_index(graph)
        self.hnsw = faiss.downcast_index(self.index.index).hnsw

    def add(self, places: Numbers) -> None:
        """Put rows of the bank into the graph; by several threads it would be another each time."""
        with _one_thread():
            for first in range(0, len(places), ROWS):
                some = places[first : first + ROWS]
                self.index.add_with_ids(self._coded(self.bank[some]), some)

    def nearest(self, X: Rows, count: int, own: Numbers) -> Found:
        """Return what `nearest` does, most of it.

        Parameters
        ----------
        X : ndarray of shape (n, dim), float32
            Unit vectors.
        count : int
        own : ndarray of shape (n,), int64
            A place of the bank that each row does not see; -1 for none.
        """
        places = np.full((len(X), count), -1, dtype=np.int64)
        cosines = np.zeros((len(X), count))
        for first in range(0, len(X), ROWS):
            some = slice(first, first + ROWS)
            with _one_thread():  # bytes round: more are taken, of which exact products choose
                found = self.index.search(self._coded(X[some]), 2 * count + LANES)[1]
            seen = (found >= 0) & (found != own[some, None])
            rows = np.nonzero(seen)[0]
            places[some], cosines[some] = nearest_of(X[some], self.bank, count, rows, found[seen])
        return places, cosines

    def _coded(self, X: Rows) -> Rows:
        """Return rows as bytes, of one scale, so that distances stay in proportion."""
        coded = np.clip(np.rint((X - self._centre) * self._scale) + 128, 0, 255)
        return np.pad(coded, ((0, 0), (0, self.index.d - coded.shape[1])))


@contextmanager
def _one_thread() -> Iterator[None]:
    faiss = _faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _faiss() -> Any:
    try:
        return import_module("faiss")
    except ImportError as error:
        raise EmbfeastError(
            "search='approximate' needs faiss, which is not installed here",
            "pip install 'embfeast[faiss]', or take search='exact' and fit again",
        ) from error
