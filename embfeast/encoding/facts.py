"""What a model says of itself, asked of sentence-transformers once and kept beside its graph."""

import json
import os
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_path

from embfeast.encoding.model import Model
from embfeast.encoding.weights import check_weights, probe
from embfeast.errors import EmbfeastError, first_line

# Raised when `Facts` changes, so that what was kept before is not read.
FORMAT = 1
READERS = ("sentence-transformers", "transformers", "tokenizers")
# Poolings whose sum over a text's own pieces we do ourselves, so that no bit depends on the batch.
OWN_POOLINGS = ("mean", "max", "cls")
ENDLESS = 1_000_000  # how transformers writes that there is no limit


@dataclass(frozen=True)
class Facts:
    """What a model says of itself.

    `kind` is "transformer", "static" (a table of vectors) or "other"; `pooling` is one of
    `OWN_POOLINGS`, or "modules" where the model's own modules do it; `normalized` says whether the
    modules bring a vector to unit length; `tokenizer` whether a fast tokenizer is kept.
    """

    kind: Literal["transformer", "static", "other"]
    dimension: int
    width: int
    window: int | None
    pooling: str
    normalized: bool
    prompts: dict[str, str]
    default_prompt: str | None
    prompt_is_pooled: bool
    tokenizer: bool
    cut_from: str


def cache_folder() -> Path:
    """Return where exported models and, unless told otherwise, embeddings are kept.

    ``EMBFEAST_CACHE_DIR`` names another folder than the user's cache folder.
    """
    return Path(os.environ.get("EMBFEAST_CACHE_DIR") or user_cache_path("embfeast"))


def kept(model: Model, ending: str) -> Path:
    """Return where something of a model is kept, whether it is there or not."""
    return cache_folder() / "models" / f"{model.files[:32]}{ending}"


def readers() -> dict[str, Any]:
    """Return whose reading of a model is kept: another release may read it otherwise."""
    found: dict[str, Any] = {"format": FORMAT}
    for name in READERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a machine that only serves takes what was kept elsewhere
            found[name] = None
    return found


def read_kept(path: Path) -> dict[str, Any] | None:
    """Return what is kept in a JSON file, unless other releases made it."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    now, then = readers(), found.pop("readers", {})
    return found if all(then.get(k) == v for k, v in now.items() if v is not None) else None


def keep(path: Path, what: dict[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    half = path.with_suffix(f".{os.getpid()}.tmp")
    half.write_text(json.dumps(what | {"readers": readers()}, indent=1), encoding="utf-8")
    half.replace(path)


def facts_of(model: Model) -> Facts:
    """Return what a model says of itself; it is loaded for that once."""
    path = kept(model, ".json")
    if (found := read_kept(path)) is not None:
        return Facts(**found)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if (found := read_kept(path)) is not None:
            return Facts(**found)
        facts = _ask(model)
        keep(path, asdict(facts))
        return facts


@lru_cache(maxsize=1)
def load(model: Model, attention: str | None = None) -> Any:
    """Load a model by sentence-transformers, in float32 and on the CPU.

    Raises
    ------
    EmbfeastError
        It cannot be loaded: the message says why.
    """
    if model.settings.backend == "openai":
        from embfeast.encoding.backends.served import no_pieces

        raise no_pieces(model)
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    chosen = {"attn_implementation": attention} if attention else {}
    try:
        return SentenceTransformer(
            str(model.folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=model.settings.trust_remote_code,
            model_kwargs={"dtype": torch.float32} | chosen,
        ).eval()
    except Exception as error:  # damaged files, unknown modules: the kinds are many
        raise EmbfeastError(
            f"model {model.name!r}: sentence-transformers cannot load {model.folder} "
            f"({type(error).__name__}: {first_line(error)})",
            "save it again with SentenceTransformer(...).save(folder), and see that "
            "SentenceTransformer(folder) opens it",
        ) from error


def _ask(model: Model) -> Facts:
    if model.settings.backend == "openai":
        from embfeast.encoding.backends.served import served_facts

        return served_facts(model)
    loaded = load(model)
    check_weights(model, loaded, lambda: load.__wrapped__(model))
    first, rest = loaded[0], list(loaded)[1:]
    kinds = [type(module).__name__ for module in rest if type(module).__name__ != "Dropout"]
    found = probe(loaded)
    dimension = int(found["sentence_embedding"].shape[-1])
    states = found.get("token_embeddings")
    facts = {
        "dimension": dimension,
        "normalized": kinds[-1:] == ["Normalize"],
        "prompts": {name: text for name, text in loaded.prompts.items() if text},
        "default_prompt": loaded.default_prompt_name,
        "prompt_is_pooled": all(getattr(module, "include_prompt", True) for module in rest),
        "cut_from": "right",
        "width": dimension if states is None else int(states.shape[-1]),
    }
    if type(first).__name__ == "StaticEmbedding" and set(kinds) <= {"Normalize"}:
        return _static(model, first, facts)
    tokenizer = getattr(first, "tokenizer", None)
    if type(first).__name__ != "Transformer" or states is None or tokenizer is None:
        return Facts(kind="other", window=None, pooling="modules", tokenizer=False, **facts)
    facts["cut_from"] = getattr(tokenizer, "truncation_side", "right")
    if fast := bool(getattr(tokenizer, "is_fast", False)):
        _keep_tokenizer(model, tokenizer.backend_tokenizer)
    return Facts(
        kind="transformer",
        window=_window(loaded),
        pooling=_pooling(rest, kinds),
        tokenizer=fast,
        **facts,
    )


def _static(model: Model, first: Any, facts: dict[str, Any]) -> Facts:
    """Keep the table of vectors, so that texts are looked up without PyTorch."""
    table = first.embedding.weight.detach().numpy().astype(np.float32)
    with kept(model, ".npy").open("wb") as stream:
        np.save(stream, table)
    cut = first.tokenizer.truncation
    _keep_tokenizer(model, first.tokenizer)
    return Facts(
        kind="static",
        window=int(cut["max_length"]) if cut else None,
        pooling="mean",
        tokenizer=True,
        **facts,
    )


def _keep_tokenizer(model: Model, tokenizer: Any) -> None:
    from tokenizers import Tokenizer

    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    copy.save(str(kept(model, ".tokenizer.json")))


def _pooling(rest: list[Any], kinds: list[str]) -> str:
    if kinds[:1] != ["Pooling"] or not set(kinds[1:]) <= {"Normalize"}:
        return "modules"
    mode = rest[0].pooling_mode
    modes = [mode] if isinstance(mode, str) else list(mode)
    return modes[0] if len(modes) == 1 and modes[0] in OWN_POOLINGS else "modules"


def _window(loaded: Any) -> int | None:
    """Return the pieces that are read of a text: no more than there are positions for."""
    limits = [loaded.max_seq_length]
    for name, module in loaded[0].auto_model.named_modules():
        if name.endswith(("position_embeddings", "wpe")) and hasattr(module, "num_embeddings"):
            padding = module.padding_idx  # RoBERTa's kinds count positions from behind it
            limits.append(module.num_embeddings - (0 if padding is None else padding + 1))
    return min((int(one) for one in limits if one and one < ENDLESS), default=None)
