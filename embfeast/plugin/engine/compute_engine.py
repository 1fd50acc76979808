"""The engine behind `feast materialize`: text to features, offline first, then online."""

import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click
from feast.infra.common.materialization_job import (
    MaterializationJob,
    MaterializationJobStatus,
    MaterializationTask,
)
from feast.infra.compute_engines.base import ComputeEngine
from feast.infra.compute_engines.local.compute import LocalComputeEngine
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import RepoConfig

from embfeast.errors import EmbfeastError
from embfeast.plugin.engine.chunks import RunCounts
from embfeast.plugin.engine.commit import AGAIN, Commit
from embfeast.plugin.engine.entity_states import bring_states
from embfeast.plugin.engine.histories import Histories, vectors_kept
from embfeast.plugin.engine.large_blocks import return_large_blocks
from embfeast.plugin.engine.local_executor import Executor, LocalExecutor
from embfeast.plugin.feature_table import feature_table, has_states, is_ours
from embfeast.plugin.settings import EmbeddingComputeEngineConfig, RepositorySettings
from embfeast.recipe import FittedRecipe
from embfeast.recipe.versions import current_digest
from embfeast.tables import coverage
from embfeast.texts.opened import OpenedTexts
from embfeast.texts.stretches import stretches


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


class EmbeddingComputeEngine(ComputeEngine):
    """Materialize all views of a recipe in one pass over the texts.

    Every revision is kept offline and the newest one goes online. A text is encoded once for all
    views. Rows are added whole or not at all and those that are there are not added twice, so a
    run that was stopped anywhere is repaired by running it again. Views that no recipe computes
    are left to Feast's local engine.
    """

    def __init__(self, *, repo_config: RepoConfig, **kwargs: Any) -> None:
        stores = {name: kwargs.pop(name) for name in ("offline_store", "online_store")}
        super().__init__(repo_config=repo_config, **stores)
        self.config = EmbeddingComputeEngineConfig(**kwargs)
        self.settings = RepositorySettings(repo_config, self.config)
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
        states = [task for task in tasks if has_states(task.feature_view)]
        for task in tasks:
            if task in states:
                continue
            if is_ours(task.feature_view):
                table = feature_table(task.feature_view, self.repo_config)
                period = (task.start_time, task.end_time)
                groups[table.source, table.digest, table.source_keys, *period].append(task)
            else:
                done[id(task)] = self._local.materialize(registry, task, **kwargs)[0]
        with _stoppable():
            for group in groups.values():
                problem = self._run(group)
                done |= {id(task): EngineJob(task, problem) for task in group}
            for task in states:  # which follow from the tables that are written by now
                done[id(task)] = EngineJob(task, self._run_states(task))
        return [done[id(task)] for task in tasks]

    def _run(self, tasks: list[MaterializationTask]) -> BaseException | None:
        try:
            table = feature_table(tasks[0].feature_view, self.repo_config)
            fitted = self._recipe(table.digest)
            commit = Commit(self.repo_config, [task.feature_view for task in tasks])
            start, end = _start(commit, tasks[0]), tasks[0].end_time
            with (
                vectors_kept(fitted) if commit.entities else nullcontext(),
                self._executor(commit, fitted) as executor,
            ):
                counts, start, served = self._write_offline(commit, executor, tasks[0], start, end)
                executor.serve(commit, self.online_store, *served)
            commit.finish(self.config.kept_hours, (start, end))
            click.echo(f"{table.source.name}: {counts}", err=True)
        except Exception as problem:  # Feast raises it after recording which views are done
            return problem
        return None

    def _run_states(self, task: MaterializationTask) -> BaseException | None:
        try:
            commit = Commit(self.repo_config, [task.feature_view])
            fitted = self._recipe(commit.targets[0].table.digest)
            start, end = _start(commit, task), task.end_time
            since = [start, *commit.unserved()]
            if first := bring_states(commit, fitted, self.online_store).first:
                since.append(first)
            commit.serve_period(self.online_store, min(since), None)
            commit.finish(self.config.kept_hours, (start, end))
        except Exception as problem:  # as above
            return problem
        return None

    def _recipe(self, digest: str) -> FittedRecipe:
        # As versions of their views several recipes are applied, and each is materialized.
        versioned = self.repo_config.registry.enable_online_feature_view_versioning
        if not versioned and (current := current_digest(self.settings.recipes)) != digest:
            raise EmbfeastError(
                f"the recipe was fitted again ({current[:12]}) but the registry still has "
                f"{digest[:12]}",
                "run `feast apply`, then materialize",
            )
        return self.settings.recipe(digest)

    def _write_offline(
        self,
        commit: Commit,
        executor: Executor,
        task: MaterializationTask,
        start: datetime,
        end: datetime,
    ) -> tuple[RunCounts, datetime, tuple[datetime | None, datetime | None]]:
        """Write what is lacking; return what was done, since when, and the period to go online."""
        table = commit.targets[0].table
        counts = RunCounts()
        repo, entities = self.repo_config.repo_path, commit.entities
        with table.source.open(repo, table.source_keys, entities) as texts:
            texts.check_rows()
            histories = Histories(texts, list(commit.tables.values()), end)
            start = min([start, *commit.changes(histories, end)])
            total = texts.count(start, end)
            shared = {"total": total, "readers": executor.readers}
            with (
                _bar(task, total) as advance,
                self._lacking(commit, texts, histories, shared, start, end) as work,
            ):
                for done in executor(work, advance):
                    counts += done
                counts.gone = commit.gone(end)
            # Rows that were pushed offline alone may lie before the first text or after the last.
            first, last = texts.period() or (start, end)
            served = (None if start <= first else start, None if last <= end else end)
            return counts, start, served

    @contextmanager
    def _lacking(
        self,
        commit: Commit,
        texts: OpenedTexts,
        histories: Histories,
        shared: dict[str, int],
        start: datetime,
        end: datetime,
    ) -> Iterator[Iterator[Any]]:
        """Find what is left to do: texts read here, or where workers find them.

        What entities wrote before is known here alone, so such texts are read here.
        """
        size = self.config.chunk_size
        if self.config.executor == "local" or commit.entities:
            chunks = map(histories.beside, texts.read(start, end, **size))
            with commit.lacking(chunks, start, end) as lacking:
                yield (histories.with_past(one, commit.tables) for one in lacking)
            return
        cut = stretches(texts, start, end, size["batch_rows"], **shared)
        with commit.planned(cut, start, end) as planned:
            yield planned

    def _executor(self, commit: Commit, fitted: FittedRecipe) -> AbstractContextManager[Executor]:
        if self.config.executor == "local":
            return nullcontext(LocalExecutor(commit.tables, commit.appenders, fitted))
        from embfeast.plugin.engine.ray_executor import RayExecutor

        return RayExecutor(
            commit.tables,
            commit.appenders,
            fitted.digest,
            repo=self.settings.repo.resolve(),
            recipes=self.settings.recipes.resolve(),
            cached=self.config.cache is not None,
            again=AGAIN.get(),
            address=self.config.ray_address,
            cpus=self.config.ray_cpus,
            workers=self.config.ray_workers,
        )


def _start(commit: Commit, task: MaterializationTask) -> datetime:
    """Begin earlier than asked where a new recipe's table lacks its history."""
    return min(
        coverage.start_of_gap(
            coverage.read(target.stored),
            list(target.view.materialization_intervals),
            task.start_time,
        )
        for target in commit.targets
    )


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
