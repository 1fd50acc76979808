"""The engine behind `feast materialize`: text to features, offline first, then online."""

import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, Self

import click
from feast.infra.common.materialization_job import (
    MaterializationJob,
    MaterializationJobStatus,
    MaterializationTask,
)
from feast.infra.compute_engines.base import ComputeEngine
from feast.infra.compute_engines.local.compute import LocalComputeEngine
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import Field, StrictStr, model_validator

from embfeast.encoding import EmbeddingCache, Encoder
from embfeast.errors import EmbfeastError
from embfeast.plugin import coverage, parts
from embfeast.plugin.compaction import compact
from embfeast.plugin.compute import RunCounts, work_left
from embfeast.plugin.engine_choice import is_our_engine
from embfeast.plugin.executor import Executor, LocalExecutor
from embfeast.plugin.feature_table import FeatureTable, feature_table, is_ours, is_served
from embfeast.plugin.large_blocks import return_large_blocks
from embfeast.plugin.newest import newest_rows
from embfeast.plugin.online_write import write_online
from embfeast.plugin.read_ahead import read_ahead
from embfeast.plugin.stored_rows import StoredRows
from embfeast.plugin.table_lock import only_writer
from embfeast.recipe import FittedRecipe
from embfeast.recipe.versions import current_digest, load_version


class EmbeddingComputeEngineConfig(FeastConfigBaseModel):
    """The `batch_engine` section of feature_store.yaml.

    Attributes
    ----------
    recipes : str
        Folder of the fitted recipes, relative to the feature repository.
    cache : str or None
        Folder of the embedding cache, relative to the feature repository; None for none.
    chunk_rows : int or None
        Most texts computed at a time; memory grows with it and with nothing else. By default 8,192
        in this process, which encodes the more texts of one length together, and 2,048 on Ray,
        where a worker takes a chunk at a time. In this process a chunk of long texts is smaller: it
        has at most a million characters.
    strict_versions : bool
        Whether a lookup fails that meets a value of another recipe than the applied one; it says
        so in the column ``embfeast_status`` either way.
    longest_text : int
        Characters that a text in a request or a push may have; materialization reads any text.
    push_wait : float
        Seconds that a push waits for a run that is writing the same feature tables.
    executor : {"local", "ray"}
        Where chunks are computed: in this process, or on a Ray cluster.
    ray_address : str or None
        ``host:port`` of a cluster, ``"auto"`` for the one that runs on this machine, or None to
        start one here and stop it afterwards.
    ray_cpus : int
        CPUs of one worker, which opens the model once.
    ray_workers : int or None
        Most workers at a time; as many as the cluster has room for by default.
    """

    type: Literal[
        "embfeast.plugin.EmbeddingComputeEngine",
        "embfeast.plugin.compute_engine.EmbeddingComputeEngine",
    ] = "embfeast.plugin.EmbeddingComputeEngine"
    recipes: StrictStr = "data/recipes"
    cache: StrictStr | None = "data/cache"
    chunk_rows: int | None = Field(default=None, ge=1)
    strict_versions: bool = False
    longest_text: int = Field(default=100_000, ge=1)
    push_wait: float = Field(default=10.0, ge=0)
    executor: Literal["local", "ray"] = "local"
    ray_address: StrictStr | None = Field(default=None, pattern=r"^(auto|[^\s:/]+:\d+)$")
    ray_cpus: int = Field(default=1, ge=1)
    ray_workers: int | None = Field(default=None, ge=1)

    @property
    def chunk_size(self) -> dict[str, int]:
        """The most that is computed at a time, as `DuckDBSource.read_texts` takes it."""
        if self.executor == "ray":
            return {"batch_rows": self.chunk_rows or 2048}
        return {"batch_rows": self.chunk_rows or parts.ROW_GROUP, "batch_characters": 2**20}

    @model_validator(mode="after")
    def _check_ray(self) -> Self:
        given = sorted(name for name in self.model_fields_set if name.startswith("ray_"))
        if given and self.executor != "ray":
            raise ValueError(f"{', '.join(given)}: only read with `executor: ray`; add it")
        return self


def engine_config(config: RepoConfig) -> EmbeddingComputeEngineConfig:
    """Return the engine's settings, also where another engine runs the repository."""
    given = config.batch_engine_config
    if isinstance(given, dict) and is_our_engine(config):
        return EmbeddingComputeEngineConfig(**given)
    return EmbeddingComputeEngineConfig()


def in_repo(config: RepoConfig, path: str) -> Path:
    """Return a path of the configuration, which is relative to the feature repository."""
    return Path(config.repo_path or Path.cwd()) / path


@dataclass
class EngineJob(MaterializationJob):
    """How the materialization of one view has ended."""

    task: MaterializationTask
    problem: BaseException | None = None

    def status(self) -> MaterializationJobStatus:
        """SUCCEEDED or ERROR."""
        failed = self.problem is not None
        return MaterializationJobStatus.ERROR if failed else MaterializationJobStatus.SUCCEEDED

    def error(self) -> BaseException | None:
        """Return what went wrong."""
        return self.problem

    def should_be_retried(self) -> bool:
        """Nothing is tried again by itself; running it again repairs whatever is missing."""
        return False

    def job_id(self) -> str:
        """Return a name for logs."""
        task = self.task
        return f"{task.feature_view.name}-{task.start_time}-{task.end_time}"

    def url(self) -> str | None:
        """There is no page to look at."""
        return None


@dataclass(frozen=True)
class View:
    """One view of a run: its task, its feature table and the table's folder."""

    task: MaterializationTask
    table: FeatureTable
    folder: Path


class EmbeddingComputeEngine(ComputeEngine):
    """Materialize all views of a recipe in one pass over the texts.

    Every revision is kept offline and the newest one goes online. A text is encoded once for all
    views. Parts appear whole or not at all and rows that are there are not written twice, so a
    run that was stopped anywhere is repaired by running it again. Views that no recipe computes
    are left to Feast's local engine.
    """

    def __init__(self, *, repo_config: RepoConfig, **kwargs: Any) -> None:
        stores = {name: kwargs.pop(name) for name in ("offline_store", "online_store")}
        super().__init__(repo_config=repo_config, **stores)
        self.config = EmbeddingComputeEngineConfig(**kwargs)
        self._local = LocalComputeEngine(repo_config=repo_config, **stores)

    @property
    def supports_batch(self) -> bool:
        """All views of a run come in one call, so that each text is encoded once."""
        return True

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Prepare nothing: the provider does."""

    def teardown_infra(self, *args: Any, **kwargs: Any) -> None:
        """Remove nothing: feature tables are history, the online store removes its own."""

    def get_historical_features(self, registry: BaseRegistry, task: Any) -> Any:
        """Leave to Feast's local engine, as the offline store answers historical queries."""
        return self._local.get_historical_features(registry, task)

    def materialize(
        self,
        registry: BaseRegistry,
        tasks: MaterializationTask | list[MaterializationTask],
        **kwargs: Any,
    ) -> list[MaterializationJob]:
        """Materialize the views of the tasks.

        Parameters
        ----------
        registry : BaseRegistry
        tasks : MaterializationTask or list of them

        Returns
        -------
        list of MaterializationJob
            In the order of the tasks. An error in one recipe's views stops those alone.
        """
        return_large_blocks()
        tasks = [tasks] if isinstance(tasks, MaterializationTask) else tasks
        done: dict[int, MaterializationJob] = {}
        groups: dict[tuple[Any, ...], list[MaterializationTask]] = defaultdict(list)
        for task in tasks:
            if is_ours(task.feature_view):
                table = feature_table(task.feature_view)
                period = (task.start_time, task.end_time)
                groups[table.source, table.digest, table.source_keys, *period].append(task)
            else:
                done[id(task)] = self._local.materialize(registry, task, **kwargs)[0]
        with _stoppable():
            for group in groups.values():
                problem = self._run(group)
                done |= {id(task): EngineJob(task, problem) for task in group}
        return [done[id(task)] for task in tasks]

    def _run(self, tasks: list[MaterializationTask]) -> BaseException | None:
        try:
            views = [self._view(task) for task in tasks]
            fitted = self._recipe(views[0].table.digest)
            start, end = self._period(views)
            first = views[0]
            repo = self.repo_config.repo_path
            keys = list(first.table.source_keys)
            first.table.source.check(repo, keys)
            for view in views:
                parts.ensure_table(view.folder, view.table.schema)
            with only_writer(view.folder for view in views):
                counts = self._write_offline(views, fitted, start, end)
                self._write_online(views, start, end)
                for view in views:
                    coverage.add(view.folder, (start, end))
                    compact(view.folder)
            click.echo(f"{first.table.source.name}: {counts}", err=True)
        except Exception as problem:  # Feast raises it after recording which views are done
            return problem
        return None

    def _view(self, task: MaterializationTask) -> View:
        table = feature_table(task.feature_view)
        return View(task, table, table.folder(self.repo_config))

    def _recipe(self, digest: str) -> FittedRecipe:
        folder = in_repo(self.repo_config, self.config.recipes)
        current = current_digest(folder)
        if current != digest:
            raise EmbfeastError(
                f"the recipe was fitted again ({current[:12]}) but the registry still has "
                f"{digest[:12]}; run `feast apply`, then materialize"
            )
        fitted = load_version(folder, digest)
        cache = self.config.cache and EmbeddingCache(in_repo(self.repo_config, self.config.cache))
        fitted.encoder = Encoder(fitted.settings.model, cache=cache or None)
        return fitted

    def _period(self, views: Sequence[View]) -> tuple[datetime, datetime]:
        """Begin earlier than asked where a new recipe's table lacks its history."""
        task = views[0].task
        starts = [
            coverage.start_of_gap(
                coverage.read(view.folder),
                list(view.task.feature_view.materialization_intervals),
                task.start_time,
            )
            for view in views
        ]
        return min(starts), task.end_time

    def _write_offline(
        self, views: Sequence[View], fitted: FittedRecipe, start: datetime, end: datetime
    ) -> RunCounts:
        source = views[0].table.source
        repo = self.repo_config.repo_path
        keys = list(views[0].table.source_keys)
        tables = {view.folder: view.table for view in views}
        counts = RunCounts()
        with ExitStack() as opened, _bar(views[0].task, source.count(repo, start, end)) as advance:
            stored = {}
            for folder, table in tables.items():
                stored[folder] = StoredRows(folder, table.keys, start, end)
                opened.callback(stored[folder].close)
            chunks = source.read_texts(
                repo, keys=keys, start=start, end=end, **self.config.chunk_size
            )
            work = (work_left(chunk, tables, stored) for chunk in chunks)
            for done in self._executor(tables, fitted)(work, advance):
                counts += done
        return counts

    def _executor(self, tables: dict[Path, FeatureTable], fitted: FittedRecipe) -> Executor:
        if self.config.executor == "local":
            return LocalExecutor(tables, fitted)
        from embfeast.plugin.ray_executor import RayExecutor

        return RayExecutor(
            tables,
            fitted.digest,
            recipes=in_repo(self.repo_config, self.config.recipes).resolve(),
            cached=self.config.cache is not None,
            address=self.config.ray_address,
            cpus=self.config.ray_cpus,
            workers=self.config.ray_workers,
        )

    def _write_online(self, views: Sequence[View], start: datetime, end: datetime) -> None:
        served = (view for view in views if is_served(view.task.feature_view))
        # The rows of the next view are read while those of one are written.
        coming = read_ahead(
            (view, count, table)
            for view in served
            for count, tables in [newest_rows(view.folder, view.table.keys, start, end)]
            for table in tables
        )
        for (view, count), group in groupby(coming, key=itemgetter(0, 1)):
            tables = (table for _, _, table in group)
            write_online(self.repo_config, self.online_store, view.task.feature_view, tables, count)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Take SIGTERM like Ctrl-C, and say that nothing is harmed by either."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if in_main else None
    try:
        yield
    except KeyboardInterrupt:
        click.echo("stopped; all that was written is whole, run the same command again", err=True)
        raise
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


class _bar:  # noqa: N801 - used as a function in a with statement
    """Feast's own progress bar, where the task brings one."""

    def __init__(self, task: MaterializationTask, total: int) -> None:
        self._bar = task.tqdm_builder(total) if task.tqdm_builder and total else None

    def __enter__(self) -> Callable[[int], Any]:
        return self._bar.update if self._bar is not None else lambda rows: None

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()
