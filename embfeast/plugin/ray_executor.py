"""Chunks as tasks of a Ray cluster: workers compute and write the parts, the driver keeps count.

Text goes from the driver through Ray's object store, a bounded number of chunks at a time; the
parts go to storage that every machine sees under one path. A part is named by its content, so a
task that is tried again after its worker or machine was lost writes the same file.
"""

import os
import signal
import socket
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from embfeast.encoding import EmbeddingCache, Encoder
from embfeast.errors import EmbfeastError
from embfeast.plugin.compute import RunCounts, Work, compute_work
from embfeast.plugin.executor import Advance
from embfeast.plugin.feature_table import FeatureTable
from embfeast.recipe import FittedRecipe
from embfeast.recipe.versions import load_version

# Names the run that may write a table; beside its parts.
RUN_FILE = ".run"
AHEAD = 2  # chunks a worker: one in work, the next one already there
REACH_SECONDS = 5
QUIET_SECONDS = 30  # without a result, before the cluster is looked at again
TRIES = 5  # of a chunk whose worker or machine was lost


@dataclass(frozen=True)
class Run:
    """What a worker must know beside the texts.

    Attributes
    ----------
    name : str
        Of this run, as the tables' folders have it.
    tables : mapping from the folder of its parts to the table
    recipes : Path
        Folder of the fitted recipes.
    digest : str
    cached : bool
        Whether vectors are kept, on the worker's own disk.
    cpus : int
    """

    name: str
    tables: Mapping[Path, FeatureTable]
    recipes: Path
    digest: str
    cached: bool
    cpus: int


class RayExecutor:
    """Compute chunks on a Ray cluster.

    Parameters
    ----------
    tables : mapping from the folder of its parts to the table
    digest : str
        Of the fitted recipe.
    recipes : Path
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
        tables: Mapping[Path, FeatureTable],
        digest: str,
        *,
        recipes: Path,
        cached: bool,
        address: str | None,
        cpus: int,
        workers: int | None,
    ) -> None:
        self.ray = _ray()
        self.run = Run(uuid.uuid4().hex, tables, recipes, digest, cached, cpus)
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
        for folder in self.run.tables:
            (folder / RUN_FILE).write_text(self.run.name, encoding="ascii")
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
            while len(pending) >= AHEAD * self._room():
                done, pending = self._next(pending)
                yield done
            pending.append(task.remote(run, chunk))
        while pending:
            done, pending = self._next(pending)
            yield done

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
        return min(room, self.workers or room)

    def _next(self, pending: list[Any]) -> tuple[RunCounts, list[Any]]:
        ready: list[Any] = []
        while not ready:
            ready, pending = self.ray.wait(pending, timeout=QUIET_SECONDS)
            if not ready:
                self._room()
        try:
            return self.ray.get(ready[0]), pending
        except self.ray.exceptions.RayError as error:
            raise _why(error) from error


def compute_on_worker(run: Run, chunk: Work) -> RunCounts:
    """Compute a chunk in a Ray worker and write its parts."""
    for folder in run.tables:
        _check_shared(folder, run.name)
    fitted = _recipe(run.recipes, run.digest, run.cached, run.cpus)
    return compute_work(chunk, run.tables, fitted)


@lru_cache(maxsize=2)
def _recipe(recipes: Path, digest: str, cached: bool, cpus: int) -> FittedRecipe:
    """Return the recipe, opened once a worker process."""
    try:
        fitted = load_version(recipes, digest)
    except EmbfeastError as error:
        raise EmbfeastError(
            f"Ray worker on {socket.gethostname()}: {error.message}; all machines must see the "
            "recipes under the same path"
        ) from error
    cache = EmbeddingCache() if cached else None
    fitted.encoder = Encoder(fitted.settings.model, threads=cpus, cache=cache)
    return fitted


def _check_shared(folder: Path, name: str) -> None:
    """Refuse to write where the driver would not see it, or when it has been given up."""
    try:
        current = (folder / RUN_FILE).read_text(encoding="ascii")
    except OSError as error:
        raise EmbfeastError(
            f"Ray worker on {socket.gethostname()} does not see feature table {folder} "
            f"({error.strerror}); put the feature repository on storage that all machines share "
            "under the same path"
        ) from error
    if current != name:
        raise EmbfeastError(
            f"Ray worker on {socket.gethostname()}: feature table {folder} belongs to a later run, "
            "or is another folder of that name than the driver's; nothing was written"
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
        ray._raylet.GcsClient(address=address)  # what `ray health-check` does
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
