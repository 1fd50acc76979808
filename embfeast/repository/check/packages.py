"""Whether the installed packages are those that embfeast asks for."""

import sys
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from embfeast.repository.check.finding import Finding
from embfeast.repository.repository import Repository

PYTHON = "Programming Language :: Python :: "


def check_versions(repository: Repository) -> Iterator[Finding]:
    """Compare what is installed with what the package's metadata requires."""
    yield _python()
    required = [Requirement(one) for one in metadata.requires("embfeast") or []]
    needed = [one for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [finding for one in needed if (finding := _package(one))]
    yield from wrong
    if not wrong:
        shown = ", ".join(f"{n} {metadata.version(n)}" for n in ("feast", "duckdb", "onnxruntime"))
        yield Finding("versions", "ok", f"{len(needed)} packages as required ({shown})")


def _python() -> Finding:
    classifiers = metadata.metadata("embfeast").get_all("Classifier") or []
    run = [one.removeprefix(PYTHON) for one in classifiers if one.startswith(PYTHON)]
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if own in run:
        return Finding("versions", "ok", f"Python {own}")
    found = f"Python {own}; embfeast was run on {', '.join(run)}"
    return Finding("versions", "warning", found, "take one of those where something fails")


def _package(required: Requirement) -> Finding | None:
    mend = f'pip install "{required}"'
    try:
        installed = metadata.version(required.name)
    except metadata.PackageNotFoundError:
        return Finding("versions", "broken", f"{required.name} is not installed", mend)
    if required.specifier.contains(installed, prereleases=True):
        return None
    found = f"{required.name} {installed} is installed, embfeast needs {required.specifier}"
    return Finding("versions", "broken", found, mend)
