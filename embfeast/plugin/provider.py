"""The provider: makes a refit seen, applied and served."""

import warnings
from collections.abc import Sequence
from typing import Any

import click
from feast.data_source import DataSource
from feast.infra.compute_engines.base import ComputeEngine
from feast.infra.passthrough_provider import PassthroughProvider
from feast.online_response import OnlineResponse
from feast.repo_config import RepoConfig

from embfeast.errors import EmbfeastError
from embfeast.plugin import parts
from embfeast.plugin.compute_engine import engine_config, in_repo
from embfeast.plugin.engine_choice import NEEDS_OURS, is_our_engine
from embfeast.plugin.feature_table import DIGEST_TAG, feature_table, is_ours
from embfeast.plugin.live import serve_recipes_from
from embfeast.plugin.versions import add_status

# Feast says at every load that these kinds of view are young. embfeast is built on them and
# pinned to a version of Feast; its users can do nothing about it.
for message in (
    "Batch feature views are experimental",
    "On demand feature view is an experimental",
):
    warnings.filterwarnings("ignore", message=message, category=RuntimeWarning)


class EmbeddingProvider(PassthroughProvider):
    """Feast's own provider, which also knows where recipes lie and makes feature tables.

    Put ``provider: embfeast.plugin.EmbeddingProvider`` into feature_store.yaml.
    """

    def __init__(self, config: RepoConfig) -> None:
        super().__init__(config)
        serve_recipes_from(in_repo(config, engine_config(config).recipes).resolve())

    @property
    def batch_engine(self) -> ComputeEngine:
        """Return our engine; `feast apply` and `feast materialize` ask for it first.

        Raises
        ------
        EmbfeastError
            The repository names another engine, which cannot compute these views.
        """
        if not is_our_engine(self.repo_config):
            raise EmbfeastError(NEEDS_OURS)
        return super().batch_engine

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:
        """Validate sources, but for feature tables that this very apply is going to make."""
        if DIGEST_TAG not in (data_source.tags or {}):
            super().validate_data_source(config, data_source)

    def get_online_features(self, *args: Any, **kwargs: Any) -> OnlineResponse:
        """Look features up, and say with each row whether the applied recipe made its values."""
        response = super().get_online_features(*args, **kwargs)
        return self._with_status(response, kwargs)

    async def get_online_features_async(self, *args: Any, **kwargs: Any) -> OnlineResponse:
        """Do the same for a store that is read asynchronously."""
        response = await super().get_online_features_async(*args, **kwargs)
        return self._with_status(response, kwargs)

    def _with_status(self, response: OnlineResponse, asked: dict[str, Any]) -> OnlineResponse:
        strict = engine_config(self.repo_config).strict_versions
        return add_status(
            response, asked["features"], asked["registry"], asked["project"], strict=strict
        )

    def update_infra(
        self,
        project: str,
        tables_to_delete: Any,
        tables_to_keep: Sequence[Any],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Make the feature tables of new recipes, then what Feast makes.

        An empty table has its columns already, so that every reader finds them before the first
        materialization.
        """
        for view in filter(is_ours, tables_to_keep):
            table = feature_table(view)
            if parts.ensure_table(table.folder(self.repo_config), table.schema):
                click.echo(
                    f"New feature table for {view.name}, recipe {table.digest[:12]}; "
                    "materialize to fill it"
                )
        super().update_infra(project, tables_to_delete, tables_to_keep, *args, **kwargs)
