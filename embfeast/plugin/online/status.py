"""Whose recipe made an online value: said with every lookup, an error where that is asked for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

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
from embfeast.plugin.feast_compat import parse_reference
from embfeast.plugin.feature_table import DIGEST_TAG, is_ours

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
    expected = _digest_columns(features, registry, project)
    names = list(response.proto.metadata.feature_names.val)
    places = {
        column: place
        for place, name in enumerate(names)
        for column in (name, name.rsplit("__", 1)[-1])
        if column in expected
    }
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


def _digest_columns(
    features: Sequence[str] | FeatureService, registry: BaseRegistry, project: str
) -> dict[str, tuple[str, str]]:
    """Return, by digest column, the view and the digest that was applied."""
    if isinstance(features, FeatureService):
        asked = {(one.name, one.version_tag) for one in features.feature_view_projections}
    else:
        asked = {parse_reference(reference)[:2] for reference in features}
    expected = {}
    for name, version in asked:
        view = _view(registry, project, name, version)
        if is_ours(view):
            column, made_by = f"{name}_digest", (name, view.tags[DIGEST_TAG])
            # Several versions of a view can be asked for at once, by their full names.
            expected[column] = made_by
            if version is not None:
                expected[f"{name}@v{version}__{column}"] = made_by
    return expected


def _view(registry: BaseRegistry, project: str, name: str, version: int | None) -> Any:
    if version is None:
        return registry.get_any_feature_view(name, project, allow_cache=True)
    return registry.get_feature_view_by_version(name, project, version, allow_cache=True)


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
