"""Recipes as versions of Feast's views: promoting one, and freeing the online rows of one."""

from typing import Any

from feast import FeatureStore

from embfeast.errors import EmbfeastError
from embfeast.plugin.feature_table import DIGEST_TAG
from embfeast.plugin.online.write import empty_online
from embfeast.plugin.pinned import services_that_pin
from embfeast.recipe.versions import load_version, make_current
from embfeast.repository.repository import Repository


def promote(store: FeatureStore | Repository, digest: str) -> dict[str, str]:
    """Make a recipe that was applied before the promoted one; the same takes it back.

    Nothing is computed or written: features without a version are read from that recipe's rows,
    and it is what `feast apply` finds current.

    Parameters
    ----------
    store : FeatureStore or Repository
    digest : str
        The recipe's, or as many of its first characters as tell it from the others.

    Returns
    -------
    dict
        By view, the version that is promoted now.
    """
    repository = Repository.of(store)
    registry, project = repository.store.registry, repository.store.project
    digest, numbers = _versions(repository, digest)
    load_version(repository.settings.recipes, digest)  # a damaged one is refused before all else
    # Read first: reading the registry anew would lose what is not committed.
    views = {name: registry.get_any_feature_view(name, project) for name in numbers}
    for name, view in views.items():
        number = numbers[name]
        view.version = f"v{number}"  # Feast reverts to a version by an apply of nothing else
        registry.apply_feature_view(view, project, commit=False)
    registry.commit()
    # Last: a registry that cannot be written leaves all as it was. Stopped here, requests read the
    # promoted rows already, and the same command does the rest.
    make_current(repository.settings.recipes, digest)
    return {name: f"v{number}" for name, number in numbers.items()}


def drop_version(store: FeatureStore | Repository, digest: str) -> dict[str, int | None]:
    """Empty the online rows of a recipe that is not promoted and that no feature service pins.

    Its feature tables and the recipe stay, so that training sets of that version can still be
    made, and `feast materialize --version` brings its online rows back.

    Returns
    -------
    dict
        By view and version (``"review_reduced@v0"``), how many keys had rows; None where the
        online store cannot tell.
    """
    repository = Repository.of(store)
    opened = repository.store
    digest, numbers = _versions(repository, digest)
    for name, number in numbers.items():
        promoted = opened.registry.get_any_feature_view(name, opened.project)
        if promoted.tags[DIGEST_TAG] == digest:
            raise EmbfeastError(
                f"recipe {digest[:12]} is promoted: requests read its rows", "promote another first"
            )
        if services := services_that_pin(opened, name, number):
            raise EmbfeastError(
                f"{name}@v{number} of recipe {digest[:12]} is pinned by feature service "
                f"{', '.join(map(repr, services))}: its requests read these rows",
                f"apply it without that version, or run `feast delete {services[0]}`, first",
            )
    freed = {}
    for name, number in numbers.items():
        view = opened.registry.get_feature_view_by_version(name, opened.project, number)
        if hasattr(view, "batch_source"):  # others are computed in a request: they have no rows
            online = opened.provider.online_store
            freed[f"{name}@v{number}"] = empty_online(opened.config, online, view)
    return freed


def _versions(repository: Repository, digest: str) -> tuple[str, dict[str, int]]:
    """Return a recipe's whole digest and, by view of ours, the newest version that it made."""
    opened = repository.store
    if not repository.is_versioned:
        raise EmbfeastError(
            "the online store keeps one version of a view",
            "set `enable_online_feature_view_versioning: true` under `registry`, then apply and "
            "materialize",
        )
    views = [*opened.list_batch_feature_views(), *opened.list_on_demand_feature_views()]
    found: dict[str, int] = {}
    digests: set[str] = set()
    for view in (view for view in views if DIGEST_TAG in (view.tags or {})):
        for known in opened.list_feature_view_versions(view.name):
            number = known["version_number"]
            made: Any = opened.registry.get_feature_view_by_version(
                view.name, opened.project, number
            )
            if made.tags.get(DIGEST_TAG, "").startswith(digest):
                found[view.name] = number
                digests.add(made.tags[DIGEST_TAG])
    if not found or not digest:
        raise EmbfeastError(
            f"no view has a version of recipe {digest!r}", "name one that was applied"
        )
    if len(digests) > 1:
        raise EmbfeastError(
            f"several recipes have a digest that starts with {digest!r}: "
            + ", ".join(sorted(one[:12] for one in digests)),
            "give more of its characters",
        )
    return digests.pop(), found
