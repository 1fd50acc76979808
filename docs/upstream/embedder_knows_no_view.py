"""A query embedder is not told which view is searched, and cannot be named in settings."""

import inspect
import tempfile
from pathlib import Path

from feast import RepoConfig
from feast.embedder import EmbeddingProvider, get_embedding_provider

asked = list(inspect.signature(EmbeddingProvider.aembed).parameters)
print(f"aembed is given: {asked}")
config = RepoConfig(
    project="p",
    provider="local",
    registry=str(Path(tempfile.mkdtemp()) / "registry.db"),
    entity_key_serialization_version=3,
    embedding_model={"provider": "my_package.MyEmbedder", "model": "two towers"},
)
try:
    get_embedding_provider(config.embedding_model)
    named = True
except ValueError as error:
    named = False
    print(error)
except ImportError:  # it was looked for
    named = True
raise SystemExit(asked == ["self", "texts"] or not named)
