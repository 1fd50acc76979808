"""Look features up by key, or compute them for a text: what a model gets when it asks."""

from collections.abc import Mapping
from typing import Any

from feast import FeatureService, FeatureStore, FeatureView, OnDemandFeatureView, ValueType

from embfeast.errors import EmbfeastError, did_you_mean
from embfeast.plugin.live import TEXT
from embfeast.plugin.online.status import CURRENT, EXPIRED, STATUS
from embfeast.repository.repository import Repository

WHOLE = {ValueType.INT64, ValueType.INT32}


def lookup(
    store: FeatureStore | Repository, given: Mapping[str, Any], service: str | None = None
) -> dict[str, Any]:
    """Return one row of features.

    Parameters
    ----------
    store : FeatureStore or Repository
    given : mapping
        The key of a stored text, or ``{"text": ...}`` for one that nobody has stored, with the
        key of who writes it for a service that compares the two. A key may be a string, as a
        command line gives it.
    service : str, optional
        Feature service to ask; by default the one that needs just what is given, the one with
        most views where there are several.

    Returns
    -------
    dict
        Features in the order of their names, and last ``embfeast_status`` (see
        `embfeast.plugin.online.status`).

    Raises
    ------
    EmbfeastError
        No service needs just what is given, a value does not fit its key, or nothing is stored.
    """
    store = Repository.of(store).store
    asked = service_for(store, set(given), service)
    row = {name: typed_value(store, name, value) for name, value in given.items()}
    answer = store.get_online_features(features=asked, entity_rows=[row]).to_dict()
    found = {name: values[0] for name, values in answer.items() if name not in given}
    if TEXT in given:  # computed just now, by the recipe that is applied
        found.setdefault(STATUS, CURRENT)
    said_of_it = {STATUS, *(name for name in found if name.endswith("_digest"))}
    if all(found[name] is None for name in found.keys() - said_of_it):
        said = ", ".join(f"{name}={value!r:.60}" for name, value in given.items())
        if TEXT in given:
            raise EmbfeastError(f"{said} is missing or blank, which has no features")
        if found.get(STATUS) == EXPIRED:
            raise EmbfeastError(f"{said} is expired: its row is older than the view's ttl")
        if any(found.get(name) for name in said_of_it - {STATUS}):
            raise EmbfeastError(f"the text of {said} is missing or blank, which has no features")
        raise EmbfeastError(
            f"{said} has no features in the online store",
            "compare it with the table's keys, and run `embfeast materialize`",
        )
    status = {STATUS: found.pop(STATUS)} if STATUS in found else {}
    return dict(sorted(found.items())) | status


def needs(store: FeatureStore, service: FeatureService) -> set[str]:
    """Return what a request to a service must hold: keys, and fields of the request."""
    stored, on_demand = _views(store, service)
    asked = {column.name for view in stored for column in view.entity_columns}
    for view in on_demand:
        for request in view.source_request_sources.values():
            asked |= {field.name for field in request.schema}
    return asked


def stored_views(store: FeatureStore, service: FeatureService) -> list[FeatureView]:
    """Return the views whose stored values a service answers with, or computes from."""
    return _views(store, service)[0]


def _views(
    store: FeatureStore, service: FeatureService
) -> tuple[list[FeatureView], list[OnDemandFeatureView]]:
    stored, on_demand = [], []
    for projection in service.feature_view_projections:
        view = store.registry.get_any_feature_view(projection.name, store.project)
        if isinstance(view, OnDemandFeatureView):
            on_demand.append(view)
            names = [one.name for one in view.source_feature_view_projections.values()]
            stored += [store.registry.get_any_feature_view(n, store.project) for n in names]
        else:
            stored.append(view)
    return stored, on_demand


def service_for(store: FeatureStore, given: set[str], name: str | None) -> FeatureService:
    """Return the service of a name, or the one that needs just what is given."""
    declared = sorted(store.list_feature_services(), key=lambda one: str(one.name))
    services = {one.name: one for one in declared}
    if not services:
        raise EmbfeastError(
            "this repository has no feature service", "declare one and run `feast apply`"
        )
    if name is not None and name not in services:
        raise EmbfeastError(
            f"no feature service {name!r}{did_you_mean(name, services)}",
            f"there are {', '.join(services)}",
        )
    asked = services if name is None else {name: services[name]}
    fitting = [one for one in asked.values() if needs(store, one) == given]
    if not fitting:
        wanted = "; ".join(
            f"{one.name} needs {_listed(needs(store, one))}" for one in asked.values()
        )
        raise EmbfeastError(f"no feature service takes {_listed(given)}: {wanted}")
    return max(fitting, key=lambda one: len(one.feature_view_projections))


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def typed_value(store: FeatureStore, name: str, value: Any) -> Any:
    """Bring a key, which a command line gives as a string, to its entity's type."""
    kinds = {one.join_key: one.value_type for one in store.list_entities()}
    if not isinstance(value, str) or kinds.get(name) not in WHOLE:
        return value
    try:
        return int(value)
    except ValueError:
        raise EmbfeastError(f"key {name} is a whole number, got {value!r}") from None
