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
from embfeast.plugin.feature_table import DIGEST_TAG, is_ours

STATUS = "embfeast_status"
CURRENT = "current"
MISSING = "missing"


def add_status(
    response: OnlineResponse,
    features: Sequence[str] | FeatureService,
    registry: BaseRegistry,
    project: str,
    *,
    strict: bool,
) -> OnlineResponse:
    """Add a column that says whether each row's values are of the applied recipe.

    ``"current"``; ``"missing"`` where a view has no row for the key; or the views whose stored
    value another recipe made, each with that recipe's digest.

    Parameters
    ----------
    response : OnlineResponse
        A lookup's answer; the digest columns of its views are read.
    features : FeatureService or sequence of ``view:feature``
        What was asked for.
    registry : BaseRegistry
    project : str
    strict : bool
        Raise where a value is of another recipe.

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
        if (column := name.rsplit("__", 1)[-1]) in expected
    }
    if not places:
        return response
    columns = {column: response.proto.results[place].values for column, place in places.items()}
    rows = len(next(iter(columns.values())))
    statuses = [
        _status({name: values[row] for name, values in columns.items()}, expected)
        for row in range(rows)
    ]
    other = Counter(status for status in statuses if status not in (CURRENT, MISSING))
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
        views = {projection.name for projection in features.feature_view_projections}
    else:
        views = {reference.split(":")[0].split("@")[0] for reference in features}
    known = [registry.get_any_feature_view(name, project, allow_cache=True) for name in views]
    return {
        f"{view.name}_digest": (view.name, view.tags[DIGEST_TAG]) for view in known if is_ours(view)
    }


def _status(row: Mapping[str, Value], expected: Mapping[str, tuple[str, str]]) -> str:
    others = []
    for column, value in row.items():
        view, digest = expected[column]
        if not value.string_val:
            return MISSING
        if value.string_val != digest:
            others.append(f"{view}={value.string_val[:12]}")
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
