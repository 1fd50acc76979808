"""Slices of texts computed by the workers of a Ray cluster.

The driver plans by keys and digests and adds files to the tables; workers read the texts, compute
and write the files, and write online where the store is a server. A file is part of its table when
the driver has added it, so one of a worker that was lost or given up is never seen, and what a lost
worker had in work is computed by another.
"""

import socket
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from embfeast.errors import EmbfeastError
from embfeast.plugin.engine.chunks import RunCounts, Work
from embfeast.plugin.engine.commit import Commit
from embfeast.plugin.engine.local_executor import Advance
from embfeast.plugin.engine.ray_cluster import connected, import_ray
from embfeast.plugin.engine.ray_pool import RayPool
from embfeast.plugin.engine.ray_worker import Run, ServedView
from embfeast.plugin.engine.slices import Done, Slice
from embfeast.plugin.feature_table import FeatureTable, is_served
from embfeast.plugin.online.servers import is_server
from embfeast.plugin.online.write import write_online
from embfeast.read_ahead import read_ahead
from embfeast.storage import Folder, exists, refused
from embfeast.tables.append import Appender
from embfeast.tables.files import ROW_GROUP, DataFile
from embfeast.tables.newest_rows import newest_places
from embfeast.tables.place import Place


class RayExecutor:
    """Compute slices on a Ray cluster; a context, in which its workers live.

    Parameters
    ----------
    tables : mapping from its place to the table
    appenders : mapping from the same places to Appender
    digest : str
        Of the fitted recipe.
    repo : Path
        The feature repository; like the next ones the same on every machine.
    recipes : Folder
        Folder of the fitted recipes.
    cached : bool
        Keep vectors in each machine's own cache folder: SQLite is not safe on shared storage.
    again : bool
        Compute rows that are there too.
    address : str or None
        As in `EmbeddingComputeEngineConfig.ray_address`.
    cpus : int
        CPUs of a worker.
    workers : int or None
        Most workers at a time.

    Raises
    ------
    EmbfeastError
        Ray is not installed; on entering, the cluster cannot be reached or has no room for a
        worker.
    """

    def __init__(
        self,
        tables: Mapping[Place, FeatureTable],
        appenders: Mapping[Place, Appender],
        digest: str,
        *,
        repo: Path,
        recipes: Folder,
        cached: bool,
        again: bool,
        address: str | None,
        cpus: int,
        workers: int | None,
    ) -> None:
        self._ray = import_ray()
        self._run = Run(tables, repo, recipes, digest, cached, again)
        self._appenders = appenders
        self._address, self._cpus, self._workers = address, cpus, workers
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Start the workers."""
        with ExitStack() as opened:
            cpus = self._cpus * (self._workers or 1)
            opened.enter_context(connected(self._ray, self._address, cpus))
            self._pool = RayPool(self._ray, self._run, self._cpus, self._workers)
            opened.callback(self._pool.close)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        """End them."""
        self._open.close()

    @property
    def readers(self) -> int:
        """Workers that compute at a time."""
        return len(self._pool)

    def __call__(self, work: Iterable[Work | Slice], advance: Advance) -> Iterator[RunCounts]:
        """Yield what was done, in the order in which workers are finished.

        Raises
        ------
        EmbfeastError
            The cluster has no room for a worker or has lost a slice too often; or a worker lacks
            the texts, the recipe or the tables.
        """
        for done in self._pool.each("compute", ((one,) for one in work)):
            self._add(done)
            advance(done.counts.rows)
            yield done.counts

    def serve(
        self, commit: Commit, store: Any, start: datetime | None, end: datetime | None
    ) -> None:
        """Put the newest row of every key online: by the workers, where the store is a server.

        The driver finds these rows in the tables as they are now, so that of all rows of a key,
        whoever wrote them, one worker writes the newest. A file has one writer: the driver.
        """
        if not is_server(commit.config):
            commit.serve_period(store, start, end)
            return
        seen = commit.files()

        def calls() -> Iterator[tuple[Any, ...]]:
            for target in commit.targets:
                if is_served(target.view):
                    write_online(commit.config, store, target.view, [], 0)  # makes its place
                    view = self._ray.put(ServedView.of(target, commit.config))
                    found = newest_places(target.stored, target.table.keys, start, end)
                    for first in range(0, len(found[0]), ROW_GROUP):
                        file_of, row_of = (part[first : first + ROW_GROUP] for part in found)
                        yield view, file_of, row_of

        for _ in self._pool.each("serve", read_ahead(calls())):
            pass
        commit.catch_up(store, seen)

    def _add(self, done: Done) -> None:
        for file in done.files:
            check_shared(file, done.host)
        for place, rows in done.outdated.items():
            self._appenders[place].replace(rows)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda file: self._appenders[file.place].add(file), done.files))


def check_shared(file: DataFile, host: str) -> None:
    """Refuse a file that the driver does not see as its worker wrote it."""
    try:
        seen = exists(file.path, file.size)
    except OSError as error:
        raise refused(f"{file.path}, which a Ray worker on {host} wrote", error) from error
    if not seen:
        raise EmbfeastError(
            f"Ray worker on {host} wrote {file.path}, which {socket.gethostname()} does not see; "
            "put the feature tables on storage that all machines share under the same path"
        )
