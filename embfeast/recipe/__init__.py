"""Which tricks with which settings: read from YAML, fitted, saved, loaded, applied to texts."""

from embfeast.recipe.fitted import Feature, FittedRecipe
from embfeast.recipe.recipe import Recipe

__all__ = ["Feature", "FittedRecipe", "Recipe"]
