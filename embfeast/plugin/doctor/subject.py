"""What the checks look at: a repository's store, its views of ours, and its current recipe."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from feast import FeatureStore, FeatureView

from embfeast.plugin.compute_engine import engine_config, in_repo
from embfeast.plugin.feature_table import FeatureTable, feature_table, is_ours
from embfeast.plugin.source import DuckDBSource
from embfeast.recipe import FittedRecipe
from embfeast.recipe.versions import load_current


@dataclass(frozen=True)
class Subject:
    """A repository under examination; each part is read when a check first asks for it."""

    store: FeatureStore

    @property
    def repo(self) -> Path:
        """The feature repository's folder."""
        return Path(self.store.config.repo_path or ".")

    @property
    def recipes(self) -> Path:
        """The folder of the fitted recipes."""
        return in_repo(self.store.config, engine_config(self.store.config).recipes)

    @cached_property
    def fitted(self) -> FittedRecipe:
        """The current recipe."""
        return load_current(self.recipes)

    @cached_property
    def views(self) -> list[FeatureView]:
        """The applied views that a recipe computes."""
        return [view for view in self.store.list_batch_feature_views() if is_ours(view)]

    @cached_property
    def tables(self) -> dict[Path, FeatureTable]:
        """The views' feature tables, by folder."""
        tables = map(feature_table, self.views)
        return {table.folder(self.store.config): table for table in tables}

    @property
    def sources(self) -> set[DuckDBSource]:
        """Where the views' texts lie."""
        return {table.source for table in self.tables.values()}
