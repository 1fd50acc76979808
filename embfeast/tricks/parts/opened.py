"""Encoders that stay open, so that a model is not opened at every call."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from embfeast.encoding import DEFAULT_MODEL, EmbeddingCache, Encoder, ModelSettings
from embfeast.encoding.settings import model_settings

Said = str | Mapping[str, Any] | ModelSettings


def opened(model: Said, cache: str | Path | None = None) -> Encoder:
    """Return the one encoder of a model."""
    if not isinstance(model, Mapping):
        return _open(model_settings(model), cache)
    said = dict(model)
    return _open(model_settings(said.pop("name", DEFAULT_MODEL), **said), cache)


@lru_cache(maxsize=2)
def _open(settings: ModelSettings, cache: str | Path | None) -> Encoder:
    return Encoder(settings, cache=None if cache is None else EmbeddingCache(cache))
