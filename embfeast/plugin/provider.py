"""The provider: makes a refit seen, applied and served."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import click
import pandas as pd
import pyarrow as pa
from feast import FeatureStore, FeatureView, PushSource
from feast.data_source import DataSource
from feast.infra.compute_engines.base import ComputeEngine
from feast.infra.passthrough_provider import PassthroughProvider
from feast.online_response import OnlineResponse
from feast.repo_config import RepoConfig

from embfeast.errors import EmbfeastError
from embfeast.plugin import parts
from embfeast.plugin.compute_engine import EmbeddingComputeEngineConfig, engine_config, in_repo
from embfeast.plugin.engine_choice import NEEDS_OURS, is_our_engine
from embfeast.plugin.feature_table import DIGEST_TAG, feature_table, is_ours
from embfeast.plugin.live import TEXT, check_text, serve_recipes_from
from embfeast.plugin.push import push_texts
from embfeast.plugin.servers import call_online, errors_named
from embfeast.plugin.source import DuckDBSource
from embfeast.plugin.versions import add_status
from embfeast.recipe.versions import current_digest


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

    def ingest_df(
        self, feature_view: Any, df: pd.DataFrame, field_mapping: dict[str, str] | None = None
    ) -> None:
        """Take pushed rows; of texts that recipes read, compute and write the features."""
        if _is_pushed_text(feature_view):
            push_texts(self.repo_config, self.online_store, self._views_of(feature_view), df)
        else:
            super().ingest_df(feature_view, df, field_mapping)

    async def ingest_df_async(
        self, feature_view: Any, df: pd.DataFrame, field_mapping: dict[str, str] | None = None
    ) -> None:
        """Do the same for a store that is written asynchronously."""
        if _is_pushed_text(feature_view):
            await asyncio.to_thread(self.ingest_df, feature_view, df, field_mapping)
        else:
            await super().ingest_df_async(feature_view, df, field_mapping)

    def ingest_df_to_offline_store(self, feature_view: Any, table: pa.Table) -> None:
        """Take pushed rows into the feature tables alone."""
        if _is_pushed_text(feature_view):
            views = self._views_of(feature_view)
            push_texts(self.repo_config, self.online_store, views, table.to_pandas(), online=False)
        else:
            super().ingest_df_to_offline_store(feature_view, table)

    def _views_of(self, text: FeatureView) -> list[FeatureView]:
        """Return the applied views that are computed from a text view."""
        folder = in_repo(self.repo_config, engine_config(self.repo_config).recipes)
        for allow_cache in (True, False):
            views = [
                view
                for view in self._store.list_batch_feature_views(allow_cache=allow_cache)
                if is_ours(view) and view.source_views[0].name == text.name
            ]
            # A recipe that is newer than what we know may have been applied meanwhile.
            if views and all(view.tags[DIGEST_TAG] == current_digest(folder) for view in views):
                return views
        if not views:
            raise EmbfeastError(
                f"no view is computed from {text.name!r}; take views from "
                "embfeast.plugin.feature_views and run `feast apply`"
            )
        return views

    @cached_property
    def _store(self) -> FeatureStore:
        # A relative registry path starts at the repository, wherever the process was started.
        return FeatureStore(repo_path=self.repo_config.repo_path, config=self.repo_config)

    def get_online_features(self, *args: Any, **kwargs: Any) -> OnlineResponse:
        """Look features up, and say with each row whether the applied recipe made its values."""
        self._check_rows(kwargs["entity_rows"])
        look_up = partial(super().get_online_features, *args, **kwargs)
        response = call_online(self.repo_config, self.online_store, look_up)
        return self._with_status(response, kwargs)

    async def get_online_features_async(self, *args: Any, **kwargs: Any) -> OnlineResponse:
        """Do the same for a store that is read asynchronously."""
        self._check_rows(kwargs["entity_rows"])
        with errors_named(self.repo_config, self.online_store):
            response = await super().get_online_features_async(*args, **kwargs)
        return self._with_status(response, kwargs)

    def online_read(self, config: RepoConfig, *args: Any, **kwargs: Any) -> list[Any]:
        """Read one view's rows; an error names the server."""
        read = partial(super().online_read, config, *args, **kwargs)
        return call_online(config, self.online_store, read)

    def online_write_batch(self, config: RepoConfig, *args: Any, **kwargs: Any) -> None:
        """Write rows as Feast does; an error names the server."""
        write = partial(super().online_write_batch, config, *args, **kwargs)
        call_online(config, self.online_store, write)

    def _check_rows(self, rows: Any) -> None:
        """Refuse what Feast takes for something else, or names badly."""
        columns = rows if isinstance(rows, Mapping) else _columns(rows)
        if not columns:
            raise EmbfeastError(
                f"the request has no rows; give entities: keys, or {TEXT!r}, with their values"
            )
        longest = self._engine.longest_text
        for name, values in columns.items():
            for number, value in enumerate(values if isinstance(values, list) else []):
                where = f"request: {name!r} of row {number}"
                if name == TEXT:
                    check_text(value, longest, where)
                elif isinstance(value, dict | list):
                    raise EmbfeastError(f"{where} is a {type(value).__name__}; give one value")

    def _with_status(self, response: OnlineResponse, asked: dict[str, Any]) -> OnlineResponse:
        features, registry, project = (asked[key] for key in ("features", "registry", "project"))
        strict = self._engine.strict_versions
        return add_status(response, features, registry, project, strict=strict)

    @cached_property
    def _engine(self) -> EmbeddingComputeEngineConfig:
        return engine_config(self.repo_config)  # asked at every lookup

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
        update = partial(
            super().update_infra, project, tables_to_delete, tables_to_keep, *args, **kwargs
        )
        call_online(self.repo_config, self.online_store, update)


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _is_pushed_text(view: object) -> bool:
    """Tell whether a view holds texts that can be pushed."""
    return (
        isinstance(view, FeatureView)
        and isinstance(view.stream_source, PushSource)
        and isinstance(view.batch_source, DuckDBSource)
    )
