"""Materialize a repository without having to know the period of its texts."""

from dataclasses import dataclass
from datetime import datetime

from feast import FeatureStore, FeatureView

from embfeast.errors import EmbfeastError
from embfeast.plugin.feature_table import feature_table, is_ours


@dataclass(frozen=True)
class Materialized:
    """What was materialized.

    Attributes
    ----------
    start, end : datetime
        Event times, both included.
    views : list of str
    """

    start: datetime
    end: datetime
    views: list[str]


def materialize(
    store: FeatureStore,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    incremental: bool = False,
) -> Materialized:
    """Materialize all views of a repository.

    Parameters
    ----------
    store : FeatureStore
        Of an applied repository.
    start, end : datetime, optional
        Event times, both included; by default those of the first and the last text.
    incremental : bool, default False
        Begin where each view's last run has ended, and at the first text where it never ran.

    Returns
    -------
    Materialized

    Raises
    ------
    EmbfeastError
        Nothing is applied, there are no texts, or the times do not fit.
    """
    views = [view for view in store.list_batch_feature_views() if is_ours(view)]
    if not views:
        raise EmbfeastError("this repository has no views of embfeast; run `feast apply` first")
    if incremental and start is not None:
        raise EmbfeastError("an incremental run begins where the last one has ended; give no start")
    first, last = text_period(store, views)
    start = start or first
    if end is None:  # times of earlier runs may lie after the last text
        end = max([last, *(_ends(views) if incremental else [])])
    if start > end:
        raise EmbfeastError(f"start {start.isoformat()} lies after end {end.isoformat()}")
    if incremental:
        # Feast itself would begin a view that never ran a year ago, whatever lies before.
        if new := [view.name for view in views if view.most_recent_end_time is None]:
            store.materialize(start, end, feature_views=new)
        store.materialize_incremental(end)
    else:
        store.materialize(start, end)
    return Materialized(start, end, sorted(view.name for view in views))


def text_period(store: FeatureStore, views: list[FeatureView]) -> tuple[datetime, datetime]:
    """Return the first and last event time of the texts that views are computed from.

    Raises
    ------
    EmbfeastError
        There are no texts.
    """
    sources = {feature_table(view).source for view in views}
    found = [period for one in sources if (period := one.period(store.config.repo_path))]
    if not found:
        names = ", ".join(sorted(source.name for source in sources))
        raise EmbfeastError(f"text source {names} has no rows; nothing to materialize")
    return min(first for first, _ in found), max(last for _, last in found)


def _ends(views: list[FeatureView]) -> list[datetime]:
    return [view.most_recent_end_time for view in views if view.most_recent_end_time]
