"""The one object that opens a feature repository."""

from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from feast import FeatureStore, FeatureView
from feast.repo_config import FeastConfigError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from embfeast.errors import EmbfeastError, first_line
from embfeast.plugin.feast_compat import settings_problems
from embfeast.plugin.feature_table import (
    DIGEST_TAG,
    FeatureTable,
    feature_table,
    has_states,
    is_ours,
)
from embfeast.plugin.live import serve_recipes_from, serving_recipe
from embfeast.plugin.online.servers import unset_variables
from embfeast.plugin.settings import RepositorySettings
from embfeast.plugin.source import DuckDBSource
from embfeast.repository.settings_file import settings_file
from embfeast.repository.sources import text_source

if TYPE_CHECKING:
    from embfeast.recipe import FittedRecipe


class Repository:
    """A feature repository: its settings, recipes, views with their tables, and text sources.

    Parameters
    ----------
    store : FeatureStore

    Attributes
    ----------
    store : FeatureStore
    settings : RepositorySettings
        Paths, the engine's settings, and the recipes.

    Examples
    --------
    ::

        repository = Repository.open("feature_repo")
        repository.settings.recipe().digest
        [table.place for table in repository.tables]
    """

    def __init__(self, store: FeatureStore) -> None:
        self.store = store
        self.settings = RepositorySettings(store.config)

    @classmethod
    def open(cls, folder: Path | str = ".") -> Self:
        """Open a feature repository and its registry.

        Parameters
        ----------
        folder : Path
            The environment variable ``FEAST_FS_YAML_FILE_PATH`` names another YAML than its
            ``feature_store.yaml``, as for Feast's own commands.

        Raises
        ------
        EmbfeastError
            There is no such file, a setting is wrong, or the registry's server does not answer.
        """
        return cls(_open_store(Path(folder)))

    @classmethod
    def of(cls, given: "FeatureStore | Repository") -> "Repository":
        """Return the repository of a store; a repository is returned as it is."""
        return given if isinstance(given, Repository) else cls(given)

    @property
    def folder(self) -> Path:
        """The repository's folder."""
        return self.settings.repo

    @property
    def is_versioned(self) -> bool:
        """Whether recipes are online beside each other, as versions of their views."""
        return bool(self.store.config.registry.enable_online_feature_view_versioning)

    @cached_property
    def fitted(self) -> "FittedRecipe":
        """The current recipe, as it was when it was first asked for."""
        return self.settings.recipe()

    @property
    def views(self) -> list[FeatureView]:
        """The applied views that a recipe computes."""
        return [view for view in self.store.list_batch_feature_views() if is_ours(view)]

    @property
    def text_views(self) -> list[FeatureView]:
        """Those of them whose rows are features of texts, not states of who wrote them."""
        return [view for view in self.views if not has_states(view)]

    @property
    def state_views(self) -> list[FeatureView]:
        """Those whose rows are states of entities."""
        return [view for view in self.views if has_states(view)]

    @property
    def tables(self) -> list[FeatureTable]:
        """The feature tables of these views."""
        return list(map(self.table, self.views))

    @property
    def sources(self) -> list[DuckDBSource]:
        """The text sources of these views, by name."""
        return sorted({table.source for table in self.tables}, key=lambda one: str(one.name))

    def applied_views(self) -> list[FeatureView]:
        """Return the applied views that a recipe computes."""
        if not (views := self.views):
            raise EmbfeastError(
                "this repository has no views of embfeast", "run `feast apply` first"
            )
        return views

    def table(self, view: FeatureView) -> FeatureTable:
        """Return the feature table of a view."""
        return feature_table(view, self.store.config)

    def source(self, name: str | None = None) -> DuckDBSource:
        """Return a text source that the repository's files declare; by default the only one."""
        return text_source(self.folder, name)

    def text_periods(self) -> dict[DuckDBSource, tuple[datetime, datetime] | None]:
        """Return, by text source of the views, the first and the last event time."""
        periods = {}
        for source in self.sources:
            with source.open(self.folder) as texts:
                periods[source] = texts.period()
        return periods

    def serving_recipe(self, view: FeatureView) -> "FittedRecipe":
        """Return the recipe behind a view, opened for serving, once a process."""
        serve_recipes_from(self.settings.recipes)
        return serving_recipe(view.tags[DIGEST_TAG])


def _open_store(folder: Path) -> FeatureStore:
    path = settings_file(folder)
    try:
        store = FeatureStore(repo_path=str(folder))
    except FeastConfigError as error:
        said = "; ".join(map(_setting, settings_problems(error))) or "it cannot be read"
        raise EmbfeastError(f"{path}: {said}") from None
    try:
        _ = store.registry
    except SQLAlchemyError as error:
        url = make_url(store.config.registry.path).render_as_string(hide_password=True)
        said = first_line(getattr(error, "orig", None) or type(error).__name__)
        raise EmbfeastError(
            f"registry {url} does not answer ({said})",
            f"see `path` under `registry` in {path.name}{unset_variables(url)}",
        ) from error
    return store


def _setting(problem: dict[str, Any]) -> str:
    at = ".".join(str(part) for part in problem["loc"])
    return f"{at}: {problem['msg']}" if at else str(problem["msg"])
