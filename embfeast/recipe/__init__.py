"""Which tricks with which settings: read from YAML, fitted, saved, loaded, applied to texts."""

from typing import TYPE_CHECKING

from embfeast.lazy import attributes

if TYPE_CHECKING:
    from embfeast.recipe.features import Feature
    from embfeast.recipe.fitted import FittedRecipe
    from embfeast.recipe.recipe import Recipe

# Imported on first use: each brings scikit-learn, and the folder of recipes is asked without it.
_LAZY = {"Feature": "features", "FittedRecipe": "fitted", "Recipe": "recipe"}
__all__ = ["Feature", "FittedRecipe", "Recipe"]

__getattr__ = attributes(__name__, _LAZY)
