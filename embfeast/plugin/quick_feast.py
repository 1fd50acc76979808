"""Feast imported in a fraction of the time, for a process that runs no file of a repository.

`import feast` spends most of its seconds on two things. typeguard rewrites every method of the
public classes, so that arguments of a wrong type are refused: that serves the files that declare
entities and views. And torch is imported, in case somebody asks for tensors. A command that reads
a registry needs neither. Libraries, servers and Feast's own commands are left as they are.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


def import_feast(*, checked: bool) -> None:
    """Import Feast, unless this process has done so already.

    Parameters
    ----------
    checked : bool
        Whether Feast's classes are to refuse arguments of a wrong type: where a repository's own
        files are run.
    """
    if "feast" in sys.modules:
        return
    # Feast's module of this name does nothing but import torch and hand it out.
    sys.modules["feast.torch_wrapper"] = _torch_when_asked()
    if checked:
        import feast
    else:
        with no_type_checks():
            import feast  # noqa: F401


def _torch_when_asked() -> ModuleType:
    def get_torch() -> Any:
        import torch

        return torch

    module = ModuleType("feast.torch_wrapper", "Import torch when somebody asks for tensors.")
    module.get_torch = get_torch  # type: ignore[attr-defined]
    return module


@contextmanager
def no_type_checks() -> Iterator[None]:
    """Let `typeguard.typechecked` return what it is given, as it does under `python -O`."""
    import typeguard

    checking = typeguard.typechecked
    typeguard.typechecked = lambda target: target  # type: ignore[assignment]
    try:
        yield
    finally:
        typeguard.typechecked = checking
