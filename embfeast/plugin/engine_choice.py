"""Whether a repository runs on embfeast's engine, and what to say where it does not."""

from feast.repo_config import RepoConfig

ENGINE = "EmbeddingComputeEngine"
NEEDS_OURS = (
    "these views are computed by embfeast's own engine, not by Feast's local, Ray or Spark engine; "
    "put into feature_store.yaml: batch_engine: {type: embfeast.plugin.EmbeddingComputeEngine} "
    "(with executor: ray and ray_address it runs on a Ray cluster)"
)


def is_our_engine(config: RepoConfig) -> bool:
    """Tell whether embfeast's engine, or one derived from it by that name, materializes."""
    given = config.batch_engine_config
    return ENGINE in str(given.get("type") if isinstance(given, dict) else given)


def is_our_offline_store(config: RepoConfig) -> bool:
    """Tell whether embfeast's offline store answers, the one that reads text databases."""
    return "DuckDBOfflineStore" in str(config.offline_store.type)
