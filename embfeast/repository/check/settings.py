"""Whether feature_store.yaml says that embfeast does the work."""

from collections.abc import Iterator
from typing import Any

from embfeast.repository.check.finding import Finding, Level
from embfeast.repository.repository import Repository

PROVIDER = "embfeast.plugin.TextFeatureProvider"
OLD_PROVIDER = "EmbeddingProvider"  # its name until Feast gave it to something else
OFFLINE = "embfeast.plugin.DuckDBOfflineStore"
ENGINE = "embfeast.plugin.EmbeddingComputeEngine"
REGISTRY = "embfeast.plugin.AtomicFileRegistryStore"


def check_settings(repository: Repository) -> Iterator[Finding]:
    """Compare the settings that embfeast needs or advises."""
    config = repository.store.config
    registry = config.registry
    engine = config.batch_engine_config
    kind = engine.get("type") if isinstance(engine, dict) else engine
    provider = PROVIDER if str(config.provider).endswith(f".{OLD_PROVIDER}") else config.provider
    wrong = [
        *_differs("provider", provider, PROVIDER, "broken"),
        *_differs("offline_store: type", config.offline_store.type, OFFLINE, "broken"),
        *_differs("batch_engine: type", kind, ENGINE, "broken"),
    ]
    if registry.registry_type == "file" and "://" not in str(registry.path):
        kind = registry.registry_store_type
        wrong += _differs("registry: registry_store_type", kind, REGISTRY, "warning")
    if not getattr(registry, "serve_features_while_materializing", False):
        found = "registry: Feast refuses every reader while it materializes"
        mend = "put serve_features_while_materializing: true under registry"
        wrong.append(Finding("settings", "warning", found, mend))
    yield from wrong or [Finding("settings", "ok", "feature_store.yaml names embfeast throughout")]


def _differs(name: str, given: Any, wanted: str, level: Level) -> list[Finding]:
    # Both the short path and that of the module itself are taken.
    if str(given).rsplit(".", 1)[-1] == wanted.rsplit(".", 1)[-1]:
        return []
    last = name.rsplit(": ", 1)[-1]
    place = f" under {name.split(':')[0]}" if ":" in name else ""
    mend = f"put {last}: {wanted}{place} into feature_store.yaml"
    return [Finding("settings", level, f"{name} is {given}", mend)]
