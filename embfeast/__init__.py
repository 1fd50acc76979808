"""Text in DuckDB to embedding features in Feast, with the same numbers in training and serving."""

from typing import TYPE_CHECKING

from embfeast.errors import EmbfeastError
from embfeast.lazy import attributes

if TYPE_CHECKING:
    from embfeast.encoding import Encoder
    from embfeast.recipe import FittedRecipe, Recipe

__version__ = "0.2.0"
__all__ = ["EmbfeastError", "Encoder", "FittedRecipe", "Recipe", "__version__"]

# Imported on first use, so that `import embfeast` stays quick for commands and workers.
_LAZY = {
    "Encoder": "encoding",
    "Recipe": "recipe",
    "FittedRecipe": "recipe",
}

__getattr__ = attributes(__name__, _LAZY)
