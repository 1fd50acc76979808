"""Whether the stores can be reached, read and written, and whether there is room."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from feast import FeatureView, ValueType
from feast.types import from_value_type

from embfeast.errors import EmbfeastError
from embfeast.plugin import parts
from embfeast.plugin.doctor.finding import Finding, size
from embfeast.plugin.doctor.subject import Subject

LEAST_FREE = 1_000_000_000  # bytes: some hundred thousand rows of a vector
# What stands between a connection's user and host, or behind a password's name.
SECRET = re.compile(r"(?<=://)[^@/\s]+@|(?<=password=)[^\s,;]+", re.IGNORECASE)


def check_stores(subject: Subject) -> Iterator[Finding]:
    """Read one key online, and look at each feature table and its disk."""
    if subject.views:
        yield _online(subject)
    wrong = [finding for folder in subject.tables if (finding := _table(folder, subject))]
    yield from wrong
    if subject.tables and not wrong:
        yield Finding("stores", "ok", f"{len(subject.tables)} feature tables can be written")
    if free := _disk(subject):
        yield free


def _online(subject: Subject) -> Finding:
    view = subject.views[0]
    kind = subject.store.config.online_store.type
    try:
        subject.store.get_online_features([f"{view.name}:{view.name}_digest"], [_some_key(view)])
    except Exception as error:  # every store has its own
        said = SECRET.sub("***", (str(error).splitlines() or [""])[0])
        return Finding(
            "stores",
            "broken",
            f"online store {kind} cannot be read: {type(error).__name__}: {said}",
            "start it, or correct online_store in feature_store.yaml; after a change of it "
            f"feast -c {subject.repo} apply, then embfeast materialize --repo {subject.repo}",
        )
    return Finding("stores", "ok", f"online store {kind} answers")


def _some_key(view: FeatureView) -> dict[str, Any]:
    """Return a key of the right type, which need not be stored."""
    text = from_value_type(ValueType.STRING)
    return {one.name: "" if one.dtype == text else 0 for one in view.entity_columns}


def _table(folder: Path, subject: Subject) -> Finding | None:
    if not folder.is_dir():
        mend = f"feast -c {subject.repo} apply, then embfeast materialize --repo {subject.repo}"
        return Finding("stores", "broken", f"feature table {folder} is missing", mend)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        mend = "give this user the right to read and write it"
        return Finding("stores", "broken", f"feature table {folder} cannot be written", mend)
    for part in parts.parts(folder):
        try:
            parts.check_part(part)
        except EmbfeastError as error:
            found, _, mend = str(error).partition("; ")
            return Finding("stores", "broken", found, mend)
    return None


def _disk(subject: Subject) -> Finding | None:
    folder = next((one for one in (*subject.tables, subject.repo) if one.is_dir()), None)
    if folder is None:
        return None
    free = shutil.disk_usage(folder).free
    if free >= LEAST_FREE:
        return Finding("stores", "ok", f"{size(free)} free on the disk of the feature tables")
    found = f"only {size(free)} free on the disk of the feature tables ({folder})"
    return Finding("stores", "warning", found, "make room")
