"""What earlier runs and earlier recipes have left behind."""

from collections.abc import Iterator
from pathlib import Path

from rich.filesize import decimal

from embfeast.recipe.versions import DIGEST
from embfeast.repository.check.finding import Finding
from embfeast.repository.repository import Repository
from embfeast.tables.table import Table


def check_leftovers(repository: Repository) -> Iterator[Finding]:
    """Find files of killed runs, and feature tables of recipes that are not applied."""
    local = [table.place for table in repository.tables if table.place.is_local]
    recipes = repository.settings.recipes
    halves = sorted(recipes.path.glob(".*.tmp")) if recipes.is_local else []
    if halves:
        names = " ".join(f"'{half}'" for half in halves)
        found = f"{len(halves)} half-written files of killed runs ({_size(halves)})"
        yield Finding("leftovers", "warning", found, f"nobody reads them: rm -r {names}")
    unread = [file for place in local if (stored := Table.find(place)) for file in stored.unread()]
    if unread:
        found = f"{len(unread)} files that no feature table reads any more"
        mend = f"embfeast compact --repo {repository.folder} removes those that are old enough"
        yield Finding("leftovers", "ok", found, mend)
    elif not halves:
        yield Finding("leftovers", "ok", "no half-written files")
    versions = {one for place in local for one in _versions(place.path.parent)}
    if old := sorted(versions - {place.path for place in local}):
        digests = ", ".join(sorted({one.name[:12] for one in old}))
        found = f"{len(old)} feature tables of earlier recipes ({digests}) take {_size(old)}"
        yield Finding("leftovers", "ok", f"{found}; training sets of theirs need them")


def _versions(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if DIGEST.fullmatch(one.name))


def _size(paths: list[Path]) -> str:
    files = [file for path in paths for file in (path, *path.rglob("*")) if file.is_file()]
    return decimal(sum(file.stat().st_size for file in files))
