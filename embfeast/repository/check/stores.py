"""Whether the stores can be reached, read and written, and whether there is room."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from feast import FeatureView, ValueType
from feast.types import from_value_type
from rich.filesize import decimal

from embfeast.errors import EmbfeastError, first_line
from embfeast.repository.check.finding import Finding
from embfeast.repository.repository import Repository
from embfeast.tables.files import has_footer
from embfeast.tables.place import Place
from embfeast.tables.table import MissingError, Table

LEAST_FREE = 1_000_000_000  # bytes: some hundred thousand rows of a vector
# What stands between a connection's user and host, or behind a password's name.
SECRET = re.compile(r"(?<=://)[^@/\s]+@|(?<=password=)[^\s,;]+", re.IGNORECASE)


def check_stores(repository: Repository) -> Iterator[Finding]:
    """Read one key online, and look at each feature table and its disk."""
    if views := repository.views:
        yield _online(repository, views[0])
    places = [table.place for table in repository.tables]
    wrong = [finding for place in places if (finding := _table(place, repository))]
    yield from wrong
    if places and not wrong:
        yield Finding("stores", "ok", f"{len(places)} feature tables can be written")
    if free := _disk([*(place.path for place in places if place.is_local), repository.folder]):
        yield free


def _online(repository: Repository, view: FeatureView) -> Finding:
    kind, folder = repository.store.config.online_store.type, repository.folder
    try:
        repository.store.get_online_features([f"{view.name}:{view.name}_digest"], [_some_key(view)])
    except Exception as error:  # every store has its own
        said = SECRET.sub("***", first_line(error))
        found = f"online store {kind} cannot be read: {type(error).__name__}: {said}"
        mend = (
            "start it, or correct online_store in feature_store.yaml; after a change of it "
            f"feast -c {folder} apply, then embfeast materialize --repo {folder}"
        )
        return Finding("stores", "broken", found, mend)
    return Finding("stores", "ok", f"online store {kind} answers")


def _some_key(view: FeatureView) -> dict[str, Any]:
    """Return a key of the right type, which need not be stored."""
    text = from_value_type(ValueType.STRING)
    return {one.name: "" if one.dtype == text else 0 for one in view.entity_columns}


def _table(place: Place, repository: Repository) -> Finding | None:
    try:
        stored = Table.open(place)
    except MissingError:
        folder = repository.folder
        mend = f"feast -c {folder} apply, then embfeast materialize --repo {folder}"
        return Finding("stores", "broken", f"there is no feature table {place}", mend)
    except EmbfeastError as error:
        return Finding("stores", "broken", error.found, error.mend)
    if place.is_local and not os.access(place.path, os.R_OK | os.W_OK | os.X_OK):
        mend = "give this user the right to read and write it"
        return Finding("stores", "broken", f"feature table {place} cannot be written", mend)
    for file in stored.files:
        if not has_footer(file):
            cut = stored.why_not(EmbfeastError("cut short"))
            return Finding("stores", "broken", cut.found, cut.mend)
    return None


def _disk(folders: list[Path]) -> Finding | None:
    folder = next((one for one in folders if one.is_dir()), None)
    if folder is None:
        return None
    free = shutil.disk_usage(folder).free
    if free >= LEAST_FREE:
        return Finding("stores", "ok", f"{decimal(free)} free on the disk of the feature tables")
    found = f"only {decimal(free)} free on the disk of the feature tables ({folder})"
    return Finding("stores", "warning", found, "make room")
