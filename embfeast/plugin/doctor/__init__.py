"""What is wrong with a repository, and how to mend it."""

from collections.abc import Callable, Iterator

from feast import FeatureStore

from embfeast.errors import EmbfeastError
from embfeast.plugin.doctor.finding import Finding
from embfeast.plugin.doctor.freshness import check_freshness
from embfeast.plugin.doctor.leftovers import check_leftovers
from embfeast.plugin.doctor.locks import check_locks
from embfeast.plugin.doctor.model import check_model
from embfeast.plugin.doctor.recipe import check_recipe
from embfeast.plugin.doctor.settings import check_settings
from embfeast.plugin.doctor.stores import check_stores
from embfeast.plugin.doctor.subject import Subject
from embfeast.plugin.doctor.versions import check_versions

__all__ = ["Finding", "examine"]

CHECKS: dict[str, Callable[[Subject], Iterator[Finding]]] = {
    "versions": check_versions,
    "settings": check_settings,
    "recipe": check_recipe,
    "model": check_model,
    "stores": check_stores,
    "locks": check_locks,
    "freshness": check_freshness,
    "leftovers": check_leftovers,
}


def examine(store: FeatureStore) -> list[Finding]:
    """Check a repository; nothing is changed.

    Parameters
    ----------
    store : FeatureStore

    Returns
    -------
    list of Finding
        In the order of the checks, at least one a check but for those that have nothing to look
        at yet. A check that cannot be made is a finding too.
    """
    subject = Subject(store)
    return [finding for name in CHECKS for finding in _made(name, subject)]


def _made(name: str, subject: Subject) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(CHECKS[name](subject))
    except EmbfeastError as error:
        said, _, mend = str(error).partition("; ")
        found.append(Finding(name, "broken", said, mend))
    return found
