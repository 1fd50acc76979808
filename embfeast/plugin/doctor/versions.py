"""Whether the installed packages are those that embfeast asks for."""

import sys
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from embfeast.plugin.doctor.finding import Finding
from embfeast.plugin.doctor.subject import Subject

# Newer ones may do, but nobody has run the tests on them.
TESTED_PYTHONS = SpecifierSet(">=3.11,<3.12")


def check_versions(subject: Subject) -> Iterator[Finding]:
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
    version = ".".join(map(str, sys.version_info[:3]))
    if version in TESTED_PYTHONS:
        return Finding("versions", "ok", f"Python {version}")
    return Finding(
        "versions",
        "warning",
        f"Python {version}; embfeast is tested on {TESTED_PYTHONS}",
        "take a tested one where something fails",
    )


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
