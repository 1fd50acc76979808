"""What may be said of a model: its name, and all that makes its vectors others."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_serializer,
    model_validator,
)

from embfeast.errors import EmbfeastError, did_you_mean

DEFAULT_MODEL = "all-MiniLM-L6-v2"

BackendName = Literal["auto", "onnx", "torch", "openai"]
BACKENDS: tuple[BackendName, ...] = get_args(BackendName)
Precision = Literal["float32", "bfloat16", "int8"]
Calibration = Literal["general", "fitted"]

# Who computes the vectors, or from where, does not make them another model's; what a calibration
# has made does, and not what was asked of it.
NO_PART_OF_A_VECTOR = {
    "name", "revision", "query_prompt", "query_prompt_name", "calibration", "backend", "base_url",
}  # fmt: skip


class ModelSettings(BaseModel):
    """A model and what is asked of it.

    Attributes
    ----------
    name : str
        A name that an installed package carries, a local folder, a hub id, or what a server calls
        its model.
    revision : str, optional
        Commit, tag or branch of a hub id.
    prompt : str, optional
        Put before each text. By default the model's own default prompt is.
    prompt_name : str, optional
        The name of one of the model's prompts.
    query_prompt : str, optional
        Put before a text that is read as a query, by `Encoder.query` and ``query_embedding``.
    query_prompt_name : str, optional
        The same, by the name of one of the model's prompts.
    truncate_dim : int, optional
        Keep this many of a vector's first numbers, for models trained for that.
    max_seq_length : int, optional
        Word pieces read of a text; at most what the model can read.
    normalize : bool, default True
        Bring vectors to unit length; False gives what the model's last module gives.
    precision : {"float32", "bfloat16", "int8"}
    calibration : {"general", "fitted"}
        Of ``"int8"``: on texts that embfeast makes, or on those that a recipe is fitted on. An
        encoder by itself is calibrated on embfeast's.
    backend : {"auto", "onnx", "torch", "openai"}
        ``"auto"`` takes PyTorch on a GPU and ONNX Runtime on a CPU.
    base_url : str, optional
        For ``"openai"``: where the server is.
    trust_remote_code : bool, default False
        Run Python that comes with the model. It is part of the digest.

    Examples
    --------
    >>> ModelSettings(name="all-MiniLM-L6-v2", prompt="query: ")
    ModelSettings(name='all-MiniLM-L6-v2', prompt='query: ')
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)] = DEFAULT_MODEL
    revision: str | None = None
    prompt: str | None = None
    prompt_name: str | None = None
    query_prompt: str | None = None
    query_prompt_name: str | None = None
    truncate_dim: Annotated[int, Field(ge=1)] | None = None
    max_seq_length: Annotated[int, Field(ge=1)] | None = None
    normalize: bool = True
    precision: Precision = "float32"
    calibration: Calibration = "general"
    backend: BackendName = "auto"
    base_url: str | None = None
    trust_remote_code: bool = False

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        unknown = [key for key in given if key not in cls.model_fields]
        if unknown:
            raise ValueError(
                f"unknown setting {unknown[0]!r} of a model"
                f"{did_you_mean(str(unknown[0]), cls.model_fields)}; "
                f"it has {', '.join(cls.model_fields)}"
            )
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> "ModelSettings":
        if self.prompt is not None and self.prompt_name is not None:
            raise ValueError("give prompt or prompt_name, not both")
        if self.query_prompt is not None and self.query_prompt_name is not None:
            raise ValueError("give query_prompt or query_prompt_name, not both")
        if self.calibration == "fitted" and self.precision != "int8":
            raise ValueError("calibration goes with `precision: int8`")
        if self.base_url is not None and self.backend != "openai":
            raise ValueError("base_url goes with `backend: openai`")
        return self

    @property
    def reads_queries(self) -> bool:
        """Whether it is said how a query is read."""
        return self.query_prompt is not None or self.query_prompt_name is not None

    @model_serializer
    def _what_was_said(self) -> dict[str, Any]:
        """Leave out defaults: a setting that is added later changes no fitted recipe's digest."""
        return {"name": self.name} | self._said(set())

    def changes(self) -> dict[str, Any]:
        """Return the settings that make vectors others than the model's default ones."""
        return self._said(NO_PART_OF_A_VECTOR)

    def _said(self, without: set[str]) -> dict[str, Any]:
        return {
            key: getattr(self, key)
            for key, field in type(self).model_fields.items()
            if key not in {"name", *without} and getattr(self, key) != field.default
        }

    def __str__(self) -> str:
        return self.name

    def __repr_args__(self) -> Any:
        return [("name", self.name), *self._said(set()).items()]


def plain(given: Any) -> Any:
    """Return a mapping as `ModelSettings`, and one that says a name alone as that name."""
    if isinstance(given, Mapping):
        given = ModelSettings.model_validate(dict(given))
    if isinstance(given, ModelSettings) and given.model_fields_set <= {"name"}:
        return given.name
    return given


# A field of a recipe: a bare name stays one, and keeps the digest that it had.
ModelField = Annotated[str | ModelSettings, BeforeValidator(plain)]


def model_settings(model: str | ModelSettings, **more: Any) -> ModelSettings:
    """Return a model's settings, with some of them replaced.

    Raises
    ------
    EmbfeastError
        A setting is unknown or not valid.
    """
    given = model if isinstance(model, ModelSettings) else {"name": model}
    said = dict(given.model_dump()) if isinstance(given, ModelSettings) else given
    try:
        return ModelSettings.model_validate(said | more)
    except ValidationError as error:
        problems = "; ".join(
            ".".join(map(str, one["loc"]))
            + ": " * bool(one["loc"])
            + one["msg"].removeprefix("Value error, ")
            for one in error.errors()
        )
        raise EmbfeastError(f"model {str(model)!r}: {problems}") from None
