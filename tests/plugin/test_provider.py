import feast.embedder
from feast.infra.provider import get_provider

from embfeast import plugin


def test_the_provider_loads_by_its_name_and_by_the_older_one(repo):
    config = repo.config()
    for name in ("TextFeatureProvider", "EmbeddingProvider"):
        config.provider = f"embfeast.plugin.{name}"
        assert type(get_provider(config)) is plugin.TextFeatureProvider
    assert not hasattr(feast.embedder, "TextFeatureProvider")
