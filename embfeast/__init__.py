"""Text in DuckDB to embedding features in Feast, with the same numbers in training and serving."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from embfeast.errors import EmbfeastError

if TYPE_CHECKING:
    from embfeast.encoding import Encoder
    from embfeast.recipe import FittedRecipe, Recipe

__version__ = "0.1.0"
__all__ = ["EmbfeastError", "Encoder", "FittedRecipe", "Recipe", "__version__"]

# Imported on first use, so that `import embfeast` stays quick for commands and workers.
_LAZY = {
    "Encoder": "embfeast.encoding",
    "Recipe": "embfeast.recipe",
    "FittedRecipe": "embfeast.recipe",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'embfeast' has no attribute {name!r}")
