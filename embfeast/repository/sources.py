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
    files = {
        ".".join(file.relative_to(root).with_suffix("").parts): file
        for file in get_repo_files(root)
    }
    with _importable(root, {module.partition(".")[0] for module in files}):
        for module, file in files.items():
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
def _importable(root: Path, names: set[str]) -> Iterator[None]:
    """Import from a folder alone: modules of another with the same names are set aside.

    The folder's own are forgotten afterwards, since the next one may use their names.
    """
    loaded = [name for name in sys.modules if name.partition(".")[0] in names]
    aside = {name: sys.modules.pop(name) for name in loaded if not _lies_in(root, name)}
    before = set(sys.modules)
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(root))
        for name in set(sys.modules) - before:
            if _lies_in(root, name):
                del sys.modules[name]
        sys.modules.update(aside)


def _lies_in(root: Path, module: str) -> bool:
    file = getattr(sys.modules[module], "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(root)
