"""What earlier runs and earlier recipes have left behind."""

from collections.abc import Iterator
from pathlib import Path

from embfeast.plugin.doctor.finding import Finding, size
from embfeast.plugin.doctor.locks import is_held
from embfeast.plugin.doctor.subject import Subject
from embfeast.plugin.table_lock import FILE
from embfeast.recipe.versions import DIGEST


def check_leftovers(subject: Subject) -> Iterator[Finding]:
    """Find half-written files of killed runs, and feature tables of recipes that are not applied.

    A half-written file beside a held lock is a run's that still goes on.
    """
    folders = {folder.parent for folder in subject.tables}
    tables = [one for folder in sorted(folders) for one in _versions(folder)]
    idle = [one for one in tables if not is_held(one / FILE)]
    halves = [half for one in [*idle, subject.recipes] for half in sorted(one.glob(".*.tmp"))]
    if halves:
        names = " ".join(f"'{half}'" for half in halves)
        found = (
            f"{len(halves)} half-written files of killed runs ({size(sum(map(_bytes, halves)))})"
        )
        yield Finding("leftovers", "warning", found, f"nobody reads them: rm -r {names}")
    else:
        yield Finding("leftovers", "ok", "no half-written files")
    if old := [one for one in tables if one not in subject.tables]:
        digests = ", ".join(sorted({one.name[:12] for one in old}))
        yield Finding(
            "leftovers",
            "ok",
            f"{len(old)} feature tables of earlier recipes ({digests}) take "
            f"{size(sum(map(_bytes, old)))}; training sets of theirs need them",
        )


def _versions(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if DIGEST.fullmatch(one.name))


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
