"""Whose recipe made an online value: said with every lookup, an error where that is asked for."""

from collections import Counter
from collections.abc import Mapping, Sequence

from feast import FeatureService
from feast.infra.registry.base_registry import BaseRegistry
from feast.online_response import OnlineResponse
from feast.protos.feast.serving.ServingService_pb2 import (
    FieldStatus,
    GetOnlineFeaturesResponse,
)
from feast.protos.feast.types.Value_pb2 import Value

from embfeast import counts
from embfeast.errors import EmbfeastError
from embfeast.plugin.online.asked import asked

STATUS = "embfeast_status"
CURRENT = "current"
MISSING = "missing"
EXPIRED = "expired"


def add_status(
    response: OnlineResponse,
    features: Sequence[str] | FeatureService,
    registry: BaseRegistry,
    project: str,
    *,
    strict: bool,
) -> OnlineResponse:
    """Add a column that says whether each row's values are of the applied recipe.

    ``"current"``; ``"missing"`` where a view has no row for the key; ``"expired"`` where it has
    one that is older than the view's ttl; or the views whose stored value another recipe made, each
    with that recipe's digest.

    Raises
    ------
    EmbfeastError
        With `strict`, a value is of another recipe than the applied one.
    """
    expected = asked(features, registry, project).made_by
    names = response.proto.metadata.feature_names.val
    places = {name: place for place, name in enumerate(names) if name in expected}
    if not places:
        return response
    columns = {column: response.proto.results[place] for column, place in places.items()}
    rows = len(next(iter(columns.values())).values)
    statuses = [_status(columns, row, expected) for row in range(rows)]
    ours = (CURRENT, MISSING, EXPIRED)
    other = Counter(status for status in statuses if status not in ours)
    counts.add("version_mismatches", sum(other.values()))
    if strict and other:
        example, count = other.most_common(1)[0]
        raise EmbfeastError(
            f"{sum(other.values())} of {rows} rows hold values of another recipe ({count} times: "
            f"{example}); materialize the applied recipe, or look up without strict_versions"
        )
    _add_column(response.proto, statuses)
    return response


def _status(
    columns: Mapping[str, GetOnlineFeaturesResponse.FeatureVector],
    row: int,
    expected: Mapping[str, tuple[str, str]],
) -> str:
    others = []
    for column, found in columns.items():
        view, digest = expected[column]
        made_by = found.values[row].string_val
        if found.statuses[row] == FieldStatus.OUTSIDE_MAX_AGE:
            return EXPIRED
        if not made_by:
            return MISSING
        if made_by != digest:
            others.append(f"{view}={made_by[:12]}")
    return f"another recipe: {', '.join(others)}" if others else CURRENT


def _add_column(proto: GetOnlineFeaturesResponse, statuses: list[str]) -> None:
    proto.metadata.feature_names.val.append(STATUS)
    proto.results.append(
        GetOnlineFeaturesResponse.FeatureVector(
            values=[Value(string_val=status) for status in statuses],
            statuses=[FieldStatus.PRESENT] * len(statuses),
            event_timestamps=list(proto.results[0].event_timestamps)[: len(statuses)],
        )
    )
