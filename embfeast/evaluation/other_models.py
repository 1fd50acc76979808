"""Other models beside the recipe's: another precision, a static one, a larger one."""

import statistics
import time
from collections.abc import Sequence
from typing import Any

import yaml

from embfeast.encoding import EmbeddingCache, Encoder
from embfeast.encoding.settings import model_settings
from embfeast.errors import EmbfeastError
from embfeast.evaluation.sets import RAW, FeatureSet

TIMED_TEXTS = 200
TIMED = 3  # times, each model in turn; the median counts


def other_models(
    model: Any, given: Sequence[str], cache: EmbeddingCache | None = None
) -> list[FeatureSet]:
    """Return the plain vectors of other models, to be compared with raw.

    Parameters
    ----------
    model : str or ModelSettings
        The recipe's.
    given : sequence of str
        A model's name or folder each, or settings to change of the recipe's model.
    cache : EmbeddingCache, optional

    Raises
    ------
    EmbfeastError
        One of them is no name and no settings, or a setting is wrong.

    Examples
    --------
    >>> [one.name for one in other_models("all-MiniLM-L6-v2", ["{truncate_dim: 64}", "my-model"])]
    ['raw, truncate_dim 64', 'raw, my-model']
    """
    sets = []
    for one in given:
        try:
            said = yaml.safe_load(one)
        except yaml.YAMLError:
            said = None
        if not isinstance(said, str | dict) or not said:
            raise EmbfeastError(
                f"model {one!r} is no name and no settings",
                "write a name, or settings as '{precision: int8}'",
            )
        if isinstance(said, str):
            words, settings = said, model_settings(said)
        else:
            words = ", ".join(f"{name} {value}" for name, value in said.items())
            settings = model_settings(model, **said)
        name = f"{RAW}, {words}"
        sets.append(FeatureSet(name, (name,), encoder=Encoder(settings, cache=cache)))
    return sets


def told_rates(encoder: Encoder, others: Sequence[FeatureSet], texts: Sequence[str]) -> str:
    """Say how many texts a second each model encodes, all of them in turn, without a cache."""
    models = {RAW: encoder} | {one.name: one.encoder for one in others if one.encoder}
    # A server is not asked for the same texts again and again.
    models = {name: one for name, one in models.items() if one.settings.backend != "openai"}
    some = list(texts[:TIMED_TEXTS])
    spent: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(TIMED + 1):
        for name, model in models.items():
            start = time.perf_counter()
            model.with_cache(None).encode(some)
            if turn:  # the first one opens the model
                spent[name].append(time.perf_counter() - start)
    rates = {name: len(some) / statistics.median(times) for name, times in spent.items()}
    said = "; ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
    return f"texts encoded a second here, in turn: {said}"
