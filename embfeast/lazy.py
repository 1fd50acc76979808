"""Names of a package that are imported when they are first asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def attributes(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package whose names lie in modules below it.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : mapping
        By name, the module below the package.

    Examples
    --------
    >>> attributes("embfeast", {"EmbfeastError": "errors"})("EmbfeastError").__name__
    'EmbfeastError'
    """

    def attribute(name: str) -> Any:
        if name in homes:
            return getattr(import_module(f"{package}.{homes[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return attribute
