"""Chunks as tasks of a Ray cluster: workers compute and write files, the driver adds them.

Text goes from the driver through Ray's object store, a bounded number of chunks at a time; the
files go to storage that every machine sees under one path. A file is part of its table when the
driver has added it, so one of a task that was lost or given up is never seen.
"""

import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa

from embfeast.encoding import EmbeddingCache
from embfeast.errors import EmbfeastError
from embfeast.plugin import feast_compat
from embfeast.plugin.engine.chunks import (
    RunCounts,
    Work,
    counts_of,
    encode_work,
    write_files,
)
from embfeast.plugin.engine.local_executor import Advance
from embfeast.plugin.feature_table import FeatureTable
from embfeast.recipe import FittedRecipe
from embfeast.recipe.versions import load_version
from embfeast.storage import Folder, exists
from embfeast.tables.append import Appender
from embfeast.tables.files import DataFile
from embfeast.tables.place import Place

# Chunks a worker, where all the cluster's may work: one in work, the next one already there.
AHEAD = 2
REACH_SECONDS = 5
QUIET_SECONDS = 30  # without a result, before the cluster is looked at again
TRIES = 5  # of a chunk whose worker or machine was lost


@dataclass(frozen=True)
class Run:
    """What a worker must know beside the texts.

    Attributes
    ----------
    tables : mapping from its place to the table
    recipes : Folder
        Folder of the fitted recipes.
    digest : str
    cached : bool
        Whether vectors are kept, on the worker's own disk.
    cpus : int
    """

    tables: Mapping[Place, FeatureTable]
    recipes: Folder
    digest: str
    cached: bool
    cpus: int


class RayExecutor:
    """Compute chunks on a Ray cluster.

    Parameters
    ----------
    tables : mapping from its place to the table
    appenders : mapping from the same places to Appender
    digest : str
        Of the fitted recipe.
    recipes : Folder
        Folder of the fitted recipes; like the tables' folders the same on every machine.
    cached : bool
        Keep vectors in each machine's own cache folder: SQLite is not safe on shared storage.
    address : str or None
        As in `EmbeddingComputeEngineConfig.ray_address`.
    cpus : int
        CPUs of a worker.
    workers : int or None
        Most workers at a time.

    Raises
    ------
    EmbfeastError
        Ray is not installed.
    """

    def __init__(
        self,
        tables: Mapping[Place, FeatureTable],
        appenders: Mapping[Place, Appender],
        digest: str,
        *,
        recipes: Folder,
        cached: bool,
        address: str | None,
        cpus: int,
        workers: int | None,
    ) -> None:
        self.ray = _ray()
        self.run = Run(tables, recipes, digest, cached, cpus)
        self.appenders = appenders
        self.address = address
        self.workers = workers

    def __call__(self, work: Iterable[Work], advance: Advance) -> Iterator[RunCounts]:
        """Yield what was done, in the order in which chunks are finished.

        Raises
        ------
        EmbfeastError
            The cluster cannot be reached, has no room for a worker or has lost a chunk too often;
            or a worker lacks the recipe or the tables.
        """
        with _connected(self.ray, self.address, self.run.cpus * (self.workers or 1)):
            for done in self._compute(work):
                advance(done.rows)
                yield done

    def _compute(self, work: Iterable[Work]) -> Iterator[RunCounts]:
        task = self.ray.remote(num_cpus=self.run.cpus, max_retries=TRIES - 1)(compute_on_worker)
        run = self.ray.put(self.run)
        pending: list[Any] = []
        for chunk in work:
            if not chunk.rows.num_rows:
                yield RunCounts(rows=chunk.read)
                continue
            while len(pending) >= self._most_pending():
                done, pending = self._next(pending)
                yield done
            pending.append(task.remote(run, chunk))
        while pending:
            done, pending = self._next(pending)
            yield done

    def _most_pending(self) -> int:
        """Return how many chunks may be handed out: what has room runs, whatever was asked for."""
        room = self._room()
        return self.workers if self.workers and self.workers < room else AHEAD * room

    def _room(self) -> int:
        """Return how many workers the cluster has room for now: machines come and go."""
        cpus = [
            node["Resources"].get("CPU", 0) for node in self.ray.nodes() if node.get("Alive", False)
        ]
        room = int(sum(own // self.run.cpus for own in cpus))
        if not room:
            raise EmbfeastError(
                f"the Ray cluster has {len(cpus)} machines with {sum(cpus):g} CPUs, and none has "
                f"the {self.run.cpus} that a worker needs (ray_cpus); add machines with "
                "`ray start --address ... --num-cpus N`, then run again"
            )
        return room

    def _next(self, pending: list[Any]) -> tuple[RunCounts, list[Any]]:
        ready: list[Any] = []
        while not ready:
            ready, pending = self.ray.wait(pending, timeout=QUIET_SECONDS)
            if not ready:
                self._room()
        try:
            counts, host, written = self.ray.get(ready[0])
        except self.ray.exceptions.RayError as error:
            raise _why(error) from error
        for file in written:
            check_shared(file, host)
            self.appenders[file.place].add(file)
        return counts, pending


def compute_on_worker(run: Run, chunk: Work) -> tuple[RunCounts, str, list[DataFile]]:
    """Compute a chunk in a Ray worker and write its files; return them, and the machine's name."""
    _keep_to(run.cpus)
    fitted = _recipe(run.recipes, run.digest, run.cached, run.cpus)
    features = fitted.apply(encode_work(chunk, run.tables, fitted))
    written = write_files(chunk, features, run.tables, fitted, lambda file: file)
    return counts_of(chunk, features), socket.gethostname(), written


def _keep_to(cpus: int) -> None:
    """Let the libraries that start a thread a core start no more than a worker's; Ray tells OpenMP.

    The tokenizer's looks at its variable when it first runs.
    """
    os.environ["RAYON_NUM_THREADS"] = str(cpus)
    pa.set_cpu_count(cpus)
    pa.set_io_thread_count(cpus)


@lru_cache(maxsize=2)
def _recipe(recipes: Folder, digest: str, cached: bool, cpus: int) -> FittedRecipe:
    """Return the recipe, opened once a worker process."""
    try:
        return load_version(
            recipes, digest, threads=cpus, cache=EmbeddingCache() if cached else None
        )
    except EmbfeastError as error:
        raise EmbfeastError(
            f"Ray worker on {socket.gethostname()}: {error.message}; all machines must see the "
            "recipes under the same path"
        ) from error


def check_shared(file: DataFile, host: str) -> None:
    """Refuse a file that the driver does not see as its worker wrote it."""
    if not exists(file.path, file.size):
        raise EmbfeastError(
            f"Ray worker on {host} wrote {file.path}, which {socket.gethostname()} does not see; "
            "put the feature tables on storage that all machines share under the same path"
        )


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise EmbfeastError(
            'executor: ray needs Ray, which is not installed: pip install "embfeast[ray]", or set '
            "executor: local in feature_store.yaml"
        ) from error
    return ray


@contextmanager
def _connected(ray: Any, address: str | None, cpus: int) -> Iterator[None]:
    """Connect to a cluster, or start one here, unless this process has done so already."""
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": True, "logging_level": "ERROR"}
    if address is None:
        # Ray reports to its makers unless told otherwise, which nobody has asked for.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options |= {"include_dashboard": False, "num_cpus": max(cpus, os.cpu_count() or 1)}
    elif address != "auto":
        _check_reachable(ray, address)
    try:
        with _own_signals():
            ray.init(address or "local", **options)
    except Exception as error:  # of many kinds: no cluster, another version, a wrong token
        raise _unreachable(address, error) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(ray: Any, address: str) -> None:
    """Find out in seconds what Ray takes minutes to say, and then ends the process for."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
        feast_compat.ray_health(ray, address)
    except (OSError, ray.exceptions.RaySystemError, ray.exceptions.RpcError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str | None, error: Exception) -> EmbfeastError:
    said = str(error).strip().splitlines()
    return EmbfeastError(
        f"Ray cluster {address or '(local)'} (ray_address) cannot be used: "
        f"{said[0] if said else type(error).__name__}; start one with `ray start --head`, and "
        "where it asks for a token set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN here as well"
    )


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our own answer to SIGTERM, which Ray replaces when it connects."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _why(error: Exception) -> EmbfeastError:
    """Return what stopped a task: the user's mistake as it is, Ray's in a line."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, EmbfeastError):
        return cause
    said = str(cause or error).strip().splitlines()
    return EmbfeastError(
        f"a Ray worker failed: {said[-1] if said else type(error).__name__}; what was written is "
        "whole, run again"
    )
