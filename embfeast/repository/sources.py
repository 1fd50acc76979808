"""A feature repository's text sources, read from its Python files before anything is applied."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feast.repo_operations import get_repo_files

from embfeast.errors import EmbfeastError
from embfeast.plugin.source import DuckDBSource


def text_source(repo: Path, name: str | None = None) -> DuckDBSource:
    """Return a repository's text source, as its files declare it.

    Files that need a fitted recipe (the views) are passed over: a fit comes before them.
    """
    found = text_sources(repo)
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name in found:
        return found[name]
    known = ", ".join(found) or "none; declare one with embfeast.plugin.DuckDBSource"
    asked = "name one of its text sources" if name is None else f"there is no source {name!r}"
    raise EmbfeastError(f"{repo}: {asked}", f"it has {known}")


def text_sources(repo: Path) -> dict[str, DuckDBSource]:
    """Return all text sources of a repository, by name."""
    found: dict[str, DuckDBSource] = {}
    root = repo.resolve()
    with _importable(root):
        for file in get_repo_files(root):
            module = ".".join(file.relative_to(root).with_suffix("").parts)
            try:
                declared = vars(importlib.import_module(module))
            except EmbfeastError:  # no recipe is fitted yet
                continue
            except Exception as error:  # the file's own mistake, of whatever kind
                raise EmbfeastError(
                    f"{file} cannot be imported: {type(error).__name__}: {error}"
                ) from error
            sources = (value for value in declared.values() if isinstance(value, DuckDBSource))
            found |= {source.name: source for source in sources}
    return found


@contextmanager
def _importable(root: Path) -> Iterator[None]:
    """Import from a folder, and forget its modules afterwards: another one has the same names."""
    before = set(sys.modules)
    sys.path.insert(0, str(root))
    try:
        yield
    finally:
        sys.path.remove(str(root))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).resolve().is_relative_to(root):
                del sys.modules[name]
