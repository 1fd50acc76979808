"""The provider: makes a refit seen, applied and served."""

import asyncio
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import click
import pandas as pd
import pyarrow as pa
from feast import FeatureStore, FeatureView, PushSource
from feast.data_source import DataSource
from feast.infra.compute_engines.base import ComputeEngine
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.passthrough_provider import PassthroughProvider
from feast.online_response import OnlineResponse
from feast.repo_config import RepoConfig

from embfeast.errors import EmbfeastError
from embfeast.plugin.engine_choice import NEEDS_OURS
from embfeast.plugin.feast_compat import is_our_engine, read_whole_answers, use_milvus_file
from embfeast.plugin.feature_table import DIGEST_TAG, feature_table, is_ours
from embfeast.plugin.live import serve_recipes_from
from embfeast.plugin.online.expiry import expire_rows
from embfeast.plugin.online.precomputed import looking_up, use_vectors
from embfeast.plugin.online.request import checked_columns
from embfeast.plugin.online.servers import call_online, errors_named
from embfeast.plugin.online.status import add_status
from embfeast.plugin.online.text_search import search_texts
from embfeast.plugin.pinned import pinned_versions
from embfeast.plugin.settings import RepositorySettings
from embfeast.plugin.source import DuckDBSource
from embfeast.plugin.source_scan import check_view_names
from embfeast.recipe.versions import current_digest


class TextFeatureProvider(PassthroughProvider):
    """Feast's own provider, which also knows where recipes lie and makes feature tables.

    Put ``provider: embfeast.plugin.TextFeatureProvider`` into feature_store.yaml. Its older name,
    ``EmbeddingProvider``, which Feast gives to something else since 0.66, means the same.
    """

    def __init__(self, config: RepoConfig) -> None:
        super().__init__(config)
        use_milvus_file(config)
        self._settings = RepositorySettings(config)  # asked at every lookup
        serve_recipes_from(self._settings.recipes)

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
        if views := self._pushed_to(feature_view):
            self._push(views, df)
        else:
            super().ingest_df(feature_view, df, field_mapping)

    async def ingest_df_async(
        self, feature_view: Any, df: pd.DataFrame, field_mapping: dict[str, str] | None = None
    ) -> None:
        """Do the same for a store that is written asynchronously."""
        if self._pushed_to(feature_view):
            await asyncio.to_thread(self.ingest_df, feature_view, df, field_mapping)
        else:
            await super().ingest_df_async(feature_view, df, field_mapping)

    def ingest_df_to_offline_store(self, feature_view: Any, table: pa.Table) -> None:
        """Take pushed rows into the feature tables alone."""
        if views := self._pushed_to(feature_view):
            self._push(views, table.to_pandas(), online=False)
        else:
            super().ingest_df_to_offline_store(feature_view, table)

    def _push(self, views: list[FeatureView], df: pd.DataFrame, *, online: bool = True) -> None:
        from embfeast.plugin.engine.push import push_texts  # brings the tricks: no lookup has them

        # Versions that services pin come after: a model of an older recipe goes on being served.
        for one in (views, *pinned_versions(self._store, views)):
            push_texts(self.repo_config, self.online_store, one, df, online=online)

    def _pushed_to(self, text: Any) -> list[FeatureView]:
        """Return the applied views that are computed from a view; none where it is Feast's own."""
        if not _is_pushed_text(text):
            return []
        folder = self._settings.recipes
        for allow_cache in (True, False):
            views = [
                view
                for view in self._store.list_batch_feature_views(allow_cache=allow_cache)
                if is_ours(view) and view.source_views[0].name == text.name
            ]
            # A recipe that is newer than what we know may have been applied meanwhile.
            if views and all(view.tags[DIGEST_TAG] == current_digest(folder) for view in views):
                return views
        if not views and not text.online:  # no texts of ours, and Feast serves them neither
            raise EmbfeastError(
                f"no view is computed from {text.name!r}",
                "take views from embfeast.plugin.feature_views and run `feast apply`",
            )
        return views

    @cached_property
    def online_store(self) -> OnlineStore | None:
        """Return the repository's online store, whose rows expire by their views' ttl."""
        store = super().online_store
        return use_vectors(expire_rows(read_whole_answers(store))) if store else None

    @cached_property
    def _store(self) -> FeatureStore:
        # A relative registry path starts at the repository, wherever the process was started.
        return FeatureStore(repo_path=self.repo_config.repo_path, config=self.repo_config)

    def get_online_features(self, *args: Any, **kwargs: Any) -> OnlineResponse:
        """Look features up, and say with each row whether the applied recipe made its values."""
        kwargs["entity_rows"] = self._checked_rows(kwargs)
        with looking_up(kwargs["features"]) as features:
            look_up = partial(super().get_online_features, *args, **kwargs | {"features": features})
            response = call_online(self.repo_config, self.online_store, look_up)
        return self._with_status(response, kwargs)

    async def get_online_features_async(self, *args: Any, **kwargs: Any) -> OnlineResponse:
        """Do the same for a store that is read asynchronously."""
        kwargs["entity_rows"] = self._checked_rows(kwargs)
        with (
            looking_up(kwargs["features"]) as features,
            errors_named(self.repo_config, self.online_store),
        ):
            response = await super().get_online_features_async(
                *args, **kwargs | {"features": features}
            )
        return self._with_status(response, kwargs)

    def online_read(self, config: RepoConfig, *args: Any, **kwargs: Any) -> list[Any]:
        """Read one view's rows; an error names the server."""
        read = partial(super().online_read, config, *args, **kwargs)
        return call_online(config, self.online_store, read)

    def online_write_batch(self, config: RepoConfig, *args: Any, **kwargs: Any) -> None:
        """Write rows as Feast does; an error names the server."""
        write = partial(super().online_write_batch, config, *args, **kwargs)
        call_online(config, self.online_store, write)

    def retrieve_online_documents_v2(self, config: RepoConfig, **asked: Any) -> list[Any]:
        """Search vectors as Feast does; a text gets the vector that the searched view gives it."""
        search = partial(super().retrieve_online_documents_v2, config)
        longest = self._settings.engine.longest_text
        find = partial(search_texts, search, config, asked, longest)
        return list(call_online(config, self.online_store, find))

    def _checked_rows(self, asked: dict[str, Any]) -> dict[str, Any]:
        rows, features, registry, project = (
            asked[key] for key in ("entity_rows", "features", "registry", "project")
        )
        longest = self._settings.engine.longest_text
        return checked_columns(rows, features, registry, project, longest_text=longest)

    def _with_status(self, response: OnlineResponse, asked: dict[str, Any]) -> OnlineResponse:
        features, registry, project = (asked[key] for key in ("features", "registry", "project"))
        strict = self._settings.engine.strict_versions
        return add_status(response, features, registry, project, strict=strict)

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
        for view in tables_to_keep:
            if isinstance(view, FeatureView):
                check_view_names(view)
        new: dict[str, list[str]] = {}
        for view in filter(is_ours, tables_to_keep):
            table = feature_table(view, self.repo_config)
            _, made = table.ensure()
            if made:
                new.setdefault(table.digest[:12], []).append(view.name)
        for digest, names in new.items():
            click.echo(
                f"New feature tables of recipe {digest}, to be materialized: {', '.join(names)}"
            )
        update = partial(
            super().update_infra, project, tables_to_delete, tables_to_keep, *args, **kwargs
        )
        call_online(self.repo_config, self.online_store, update)


EmbeddingProvider = TextFeatureProvider


def _is_pushed_text(view: object) -> bool:
    """Tell whether a view holds texts that can be pushed."""
    return (
        isinstance(view, FeatureView)
        and isinstance(view.stream_source, PushSource)
        and isinstance(view.batch_source, DuckDBSource)
    )
