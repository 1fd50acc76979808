"""Materialize a repository without having to know the period of its texts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from feast import FeatureStore, FeatureView

from embfeast.errors import EmbfeastError
from embfeast.plugin.engine.commit import AGAIN
from embfeast.repository import dropping
from embfeast.repository.repository import Repository


@dataclass(frozen=True)
class Materialized:
    """Views, and the first and last event time (both included) that were materialized.

    And how many rows were removed since their text is gone.
    """

    start: datetime
    end: datetime
    views: list[str]
    dropped: int = 0


def materialize(
    store: FeatureStore | Repository,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    incremental: bool = False,
    drop_missing: bool = False,
    again: bool = False,
) -> Materialized:
    """Materialize all views of a repository.

    Parameters
    ----------
    store : FeatureStore or Repository
        Of an applied repository.
    start, end : datetime, optional
        Event times, both included; by default those of the first and the last text.
    incremental : bool, default False
        Begin where each view's last run has ended, and at the first text where it never ran.
    drop_missing : bool, default False
        Then remove the rows, offline and online, of texts that are gone from the source.
    again : bool, default False
        Compute rows that are there already too, and replace them.

    Returns
    -------
    Materialized

    Raises
    ------
    EmbfeastError
        Nothing is applied, there are no texts, or the times do not fit.
    """
    repository = Repository.of(store)
    store, views = repository.store, repository.applied_views()
    if incremental and start is not None:
        raise EmbfeastError(
            "an incremental run begins where the last one has ended", "give no start"
        )
    earlier = _ends(views)
    if period := _text_period(repository, may_be_empty=drop_missing and bool(earlier)):
        start = start or period[0]
        if end is None:  # times of earlier runs may lie after the last text
            end = max([period[1], *(earlier if incremental else [])])
        if start > end:
            raise EmbfeastError(f"start {start.isoformat()} lies after end {end.isoformat()}")
        with _computing(again):
            _run(store, views, start, end, incremental=incremental)
    else:  # all texts are gone: nothing is left to compute
        start = end = max(earlier)
    dropped = dropping.drop_missing(repository) if drop_missing else 0
    return Materialized(start, end, sorted(view.name for view in views), dropped)


@contextmanager
def _computing(again: bool) -> Iterator[None]:
    before = AGAIN.set(again)
    try:
        yield
    finally:
        AGAIN.reset(before)


def _run(
    store: FeatureStore,
    views: list[FeatureView],
    start: datetime,
    end: datetime,
    *,
    incremental: bool,
) -> None:
    if incremental:
        # Feast itself would begin a view that never ran a year ago, whatever lies before.
        if new := [view.name for view in views if view.most_recent_end_time is None]:
            store.materialize(start, end, feature_views=new)
        store.materialize_incremental(end)
    else:
        store.materialize(start, end)


def _text_period(repository: Repository, *, may_be_empty: bool) -> tuple[datetime, datetime] | None:
    """Return the first and last event time of the texts that views are computed from."""
    periods = repository.text_periods()
    found = [period for period in periods.values() if period]
    if not found and may_be_empty:
        return None
    if not found:
        names = ", ".join(sorted(str(source.name) for source in periods))
        raise EmbfeastError(f"text source {names} has no rows", "there is nothing to materialize")
    return min(first for first, _ in found), max(last for _, last in found)


def _ends(views: list[FeatureView]) -> list[datetime]:
    return [view.most_recent_end_time for view in views if view.most_recent_end_time]
