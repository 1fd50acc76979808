"""The methods of the offline store that `feast monitor`, its server and its pages call."""

from datetime import date, datetime
from typing import Any

from feast.data_source import DataSource
from feast.infra.offline_stores.offline_store import OfflineStore
from feast.monitoring.metrics_calculator import MetricsCalculator
from feast.repo_config import RepoConfig

from embfeast.plugin.monitoring import figures, kept


class MonitoredStore(OfflineStore):
    """An offline store whose features are monitored; what it is to read is said by the one of it.

    A number has Feast's own figures, so has a category. A vector has those of its norm, and where
    there are at least 20 earlier ones: ``NAME.novelty``, the distance to the nearest of them in
    units of how far they lie from one another; ``NAME.drift``, the AUC of a classifier that tells
    the period from them (``mean``, with a 95 % interval in ``min_val`` and ``max_val``; 0.5 is no
    drift); and ``NAME.clusters``, how many vectors lie in each of their clusters. Earlier are rows
    before the period and before the time that the recipe was fitted at. A text has the figures of
    its length: no text is copied out of its database.
    """

    @staticmethod
    def compute_monitoring_metrics(
        config: RepoConfig,
        data_source: DataSource,
        feature_columns: list[tuple[str, str]],
        timestamp_field: str,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        histogram_bins: int = 20,
        top_n: int = 10,
    ) -> list[dict[str, Any]]:
        """Return the figures of features in a period."""
        calculator = MetricsCalculator(histogram_bins, top_n)
        return figures.figures(
            config, data_source, feature_columns, timestamp_field, start_date, end_date, calculator
        )

    @staticmethod
    def get_monitoring_max_timestamp(
        config: RepoConfig, data_source: DataSource, timestamp_field: str
    ) -> datetime | None:
        """Return the newest event time."""
        return figures.newest(config, data_source, timestamp_field)

    @staticmethod
    def ensure_monitoring_tables(config: RepoConfig) -> None:
        """Make the folder of the figures."""
        kept.folder_of(config)

    @staticmethod
    def save_monitoring_metrics(
        config: RepoConfig, metric_type: str, metrics: list[dict[str, Any]]
    ) -> None:
        """Keep figures, in the place of older ones of the same name and date."""
        kept.keep(config, metric_type, metrics)

    @staticmethod
    def query_monitoring_metrics(
        config: RepoConfig,
        project: str,
        metric_type: str,
        filters: dict[str, Any] | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> list[dict[str, Any]]:
        """Return kept figures in the order of their dates."""
        return kept.find(config, metric_type, project, filters or {}, start_date, end_date)

    @staticmethod
    def clear_monitoring_baseline(
        config: RepoConfig,
        project: str,
        feature_view_name: str | None = None,
        feature_name: str | None = None,
        data_source_type: str | None = None,
    ) -> None:
        """Let figures be a baseline no more."""
        wanted = {
            "project_id": project,
            "feature_view_name": feature_view_name,
            "feature_name": feature_name,
            "data_source_type": data_source_type,
        }
        kept.end_baseline(config, wanted)
