"""A row past its view's ttl is null online too, as it is in a training set.

Feast itself ignores ttl online. Rows are emptied as soon as they are read, before on-demand views
compute anything from them.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from feast.protos.feast.types.Value_pb2 import Value

from embfeast.plugin.feast_compat import wrap_reads

Group = tuple[Any, list[str]]  # a view, and the features that are asked for


def expire_rows(store: OnlineStore) -> OnlineStore:
    """Let a store answer with null for rows that are older than their view's ttl.

    The value's status is then OUTSIDE_MAX_AGE and its event time is kept.
    """
    wrap_reads(store, partial(partial, _read), partial(partial, _read_async))
    return store


def oldest_valid(view: Any, now: datetime | None = None) -> datetime | None:
    """Return the earliest event time of rows that a view's ttl leaves valid; None without a ttl."""
    # On-demand views that are written online have rows and no ttl.
    lasting = getattr(view, "ttl", None)
    return (now or datetime.now(UTC)) - lasting if lasting else None


def _read(read: Callable[..., None], config: Any, groups: list[Group], *given: Any) -> None:
    response = given[2]
    for some in _parts(groups):
        before = len(response.results)
        read(config, some, *given)
        empty_old(response, before, some)


async def _read_async(
    read: Callable[..., Any], config: Any, groups: list[Group], *given: Any
) -> None:
    response = given[2]
    for some in _parts(groups):
        before = len(response.results)
        await read(config, some, *given)
        empty_old(response, before, some)


def _parts(groups: list[Group]) -> list[list[Group]]:
    """Return views with a ttl one by one, and the others together, which a store reads at once."""
    lasting = [group for group in groups if oldest_valid(group[0]) is None]
    others = [[group] for group in groups if oldest_valid(group[0]) is not None]
    return [lasting] * bool(lasting) + others


def empty_old(response: GetOnlineFeaturesResponse, first: int, groups: list[Group]) -> None:
    """Empty the rows of one view, or of several without a ttl, from a column of a response on."""
    if (valid := oldest_valid(groups[0][0])) is None:
        return
    oldest = valid.timestamp()
    for column in response.results[first:]:
        for row, moment in enumerate(column.event_timestamps):
            if column.statuses[row] == FieldStatus.PRESENT and moment.seconds < oldest:
                column.values[row].CopyFrom(Value())
                column.statuses[row] = FieldStatus.OUTSIDE_MAX_AGE
