"""Versions of views that feature services pin: models read their rows, whatever is promoted.

A service says so in the registry (``"review_reduced@v0:reduced"``); a version that a request alone
names is known to nobody before it is asked for.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from feast import FeatureStore, FeatureView

from embfeast.plugin.feature_table import is_ours


def pinned_versions(store: FeatureStore, views: Sequence[FeatureView]) -> list[list[FeatureView]]:
    """Return the other versions of views that services pin, those of one number together.

    Parameters
    ----------
    store : FeatureStore
    views : sequence of FeatureView
        Computed by recipes, as they are promoted.

    Returns
    -------
    list of list of FeatureView
    """
    if not store.config.registry.enable_online_feature_view_versioning:
        return []  # a version has no rows of its own
    promoted = {view.name: view for view in views}
    found: dict[int, list[FeatureView]] = defaultdict(list)
    for name, number in sorted(_pins(store, allow_cache=True)):
        view = promoted.get(name)
        if view is None or number == (view.current_version_number or 0):
            continue
        version: Any = store.registry.get_feature_view_by_version(
            name, store.project, number, allow_cache=True
        )
        if is_ours(version) and version.source_views[0].name == view.source_views[0].name:
            found[number].append(version)
    return list(found.values())


def services_that_pin(store: FeatureStore, name: str, number: int) -> list[str]:
    """Return the names of the applied services that pin a version of a view."""
    return sorted(_pins(store, allow_cache=False).get((name, number), []))


def _pins(store: FeatureStore, *, allow_cache: bool) -> dict[tuple[str, int], list[str]]:
    """Return, by name and number of a pinned version, the services that pin it."""
    pins = defaultdict(list)
    for service in store.registry.list_feature_services(store.project, allow_cache=allow_cache):
        for projection in service.feature_view_projections:
            if projection.version_tag is not None:
                pins[projection.name, projection.version_tag].append(service.name)
    return dict(pins)
