"""Do offline, online and recomputed values agree? Every promise of a repository, checked."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from feast import FeatureStore, FeatureView
from numpy.typing import NDArray

from embfeast.plugin.engine.histories import Histories, vectors_kept
from embfeast.plugin.feature_table import has_states, is_served
from embfeast.recipe import FittedRecipe
from embfeast.repository.check.finding import Finding
from embfeast.repository.check.online import Online
from embfeast.repository.check.recipe import open_applied
from embfeast.repository.check.recomputed import Recomputed
from embfeast.repository.check.rows import Rows
from embfeast.repository.check.states import check_states
from embfeast.repository.check.stored import check_stored
from embfeast.repository.repository import Repository
from embfeast.tables.table import Table


class Check(Protocol):
    """What is found of one view in a pass over its texts."""

    def see(self, chunk: pa.Table, chosen: NDArray[np.int64], histories: Histories) -> None:
        """Look at a chunk of texts, and at the rows of it that belong to the sample."""
        ...

    def findings(self) -> Iterator[Finding]:
        """Return what the pass has shown."""
        ...


def verify(
    store: FeatureStore | Repository,
    *,
    sample: int | None = 200,
    max_lag: timedelta = timedelta(0),
    seed: int = 0,
    progress: Callable[[float], Any] | None = None,
) -> list[Finding]:
    """Check every view of a repository that a recipe computes.

    Parameters
    ----------
    store : FeatureStore or Repository
    sample : int or None, default 200
        Texts whose features are recomputed and looked up; None for all of them. Rows are counted
        in full either way.
    max_lag : timedelta, default 0
        How long a text may be there without its features.
    seed : int, default 0
        Random seed of the sample.
    progress : callable, optional
        Called with the share of the texts read, from 0 to 1.

    Returns
    -------
    list of Finding
        By view. The checks are ``recipe``, ``files``, ``digest``, ``rows``, ``texts``,
        ``freshness``, ``recomputed`` and ``online``.

    Raises
    ------
    EmbfeastError
        The repository has no view of embfeast, or a text database cannot be read.
    """
    repository = Repository.of(store)
    groups: dict[tuple[Any, ...], list[FeatureView]] = defaultdict(list)
    for view in repository.applied_views():
        if has_states(view):
            continue
        table = repository.table(view)
        groups[table.source, table.digest, table.source_keys].append(view)
    findings: list[Finding] = []
    for number, views in enumerate(groups.values()):
        fitted, recipe = open_applied(repository, repository.table(views[0]).digest)
        findings += [replace(recipe, view=view.name) for view in views]
        checks: list[Check] = []
        for view in views:
            stored = Table.find(repository.table(view).place)
            files, *others = check_stored(repository.table(view), stored)
            findings += [files, *others]
            if stored is not None and files.ok:
                checks += _checks(repository, view, stored, fitted, max_lag, sample)
        with vectors_kept(fitted) if fitted is not None else nullcontext():
            for share in _pass(repository, views, checks, sample, seed):
                if progress:
                    progress((number + share) / len(groups))
        findings += [found for check in checks for found in check.findings()]
    for view in repository.state_views:
        findings += check_states(repository, view, sample, seed)
    return sorted(findings, key=lambda finding: finding.view)


def _checks(
    repository: Repository, view: FeatureView, stored: Table, fitted: FittedRecipe | None,
    max_lag: timedelta, sample: int | None,
) -> Iterator[Check]:  # fmt: skip
    table = repository.table(view)
    rows = Rows(stored, table, max_lag)
    yield rows
    if fitted is not None:
        yield Recomputed(stored, table, fitted)
    if is_served(view):
        yield Online(repository.store, view, stored, table, rows, sample)


def _pass(
    repository: Repository,
    views: list[FeatureView],
    checks: list[Check],
    sample: int | None,
    seed: int,
) -> Iterator[float]:
    """Show all texts to the checks; yield the share that is done."""
    if not checks:
        return
    tables = [repository.table(view) for view in views]
    entities = list(dict.fromkeys(table.entity for table in tables if table.entity))
    source, keys = tables[0].source, tables[0].source_keys
    with source.open(repository.folder, keys, entities) as texts:
        histories = Histories(texts, tables)
        total, done = texts.count(), 0
        for chunk, chosen in texts.read_sampled(sample, seed):
            chunk = histories.beside(chunk)
            for check in checks:
                check.see(chunk, chosen, histories)
            done += chunk.num_rows
            yield done / total
