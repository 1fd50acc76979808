"""What is wrong with a repository, and how to mend it."""

from collections.abc import Callable, Iterator

from feast import FeatureStore

from embfeast.errors import EmbfeastError
from embfeast.repository.check.finding import Finding
from embfeast.repository.check.freshness import check_freshness
from embfeast.repository.check.leftovers import check_leftovers
from embfeast.repository.check.locks import check_locks
from embfeast.repository.check.model import check_model
from embfeast.repository.check.packages import check_versions
from embfeast.repository.check.recipe import check_recipe
from embfeast.repository.check.settings import check_settings
from embfeast.repository.check.stores import check_stores
from embfeast.repository.repository import Repository

CHECKS: dict[str, Callable[[Repository], Iterator[Finding]]] = {
    "versions": check_versions,
    "settings": check_settings,
    "recipe": check_recipe,
    "model": check_model,
    "stores": check_stores,
    "locks": check_locks,
    "freshness": check_freshness,
    "leftovers": check_leftovers,
}


def examine(store: FeatureStore | Repository) -> list[Finding]:
    """Check a repository; nothing is changed.

    Parameters
    ----------
    store : FeatureStore or Repository

    Returns
    -------
    list of Finding
        In the order of the checks, at least one a check but for those that have nothing to look
        at yet. A check that cannot be made is a finding too.
    """
    repository = Repository.of(store)
    return [finding for name in CHECKS for finding in _findings(name, repository)]


def _findings(name: str, repository: Repository) -> Iterator[Finding]:
    try:
        yield from CHECKS[name](repository)
    except EmbfeastError as error:
        yield Finding(name, "broken", error.found, error.mend)
