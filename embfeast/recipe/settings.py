"""The settings of a recipe: what `recipe.yaml` may say, checked by pydantic."""

import difflib
import inspect
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from embfeast import tricks
from embfeast.encoding import DEFAULT_MODEL
from embfeast.errors import EmbfeastError
from embfeast.recipe.join import BlockJoin

PLAIN = "embedding"
JOIN = "join"
POOLER = "token_pooler"
PAIR = "pair_interaction"
TRICKS: dict[str, type] = {
    "anchor_similarity": tricks.AnchorSimilarity,
    "embedding_reducer": tricks.EmbeddingReducer,
    "cluster_features": tricks.ClusterFeatures,
    "pair_interaction": tricks.PairInteraction,
    "whitener": tricks.Whitener,
    "token_pooler": tricks.TokenPooler,
    "feature_synthesizer": tricks.FeatureSynthesizer,
    JOIN: BlockJoin,
}
# Given by the recipe as a whole, so that no trick uses another model or seed by mistake.
SHARED = {"model", "random_state"}

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


class TrickSettings(BaseModel):
    """One entry of a recipe: a trick, what it reads, and its own settings.

    Attributes
    ----------
    trick : str
        One of the keys of `TRICKS`, or ``"embedding"`` for the plain vector.
    input : str
        The entry whose output it reads; ``"embedding"`` is the sentence vector.
    inputs : list of str
        For ``"join"``: the entries that stand side by side in its vector.
    online : bool
        Whether its features go into the online store; False keeps them for training alone.
    prefix : str
        Put before its feature names, so that two entries of one trick can stand side by side.
    description : str
        Shown in Feast.
    settings : dict
        The trick's own settings, checked against its constructor.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    trick: str
    input: str = PLAIN
    inputs: list[str] = []
    online: bool = True
    prefix: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*)?$", max_length=30)] = ""
    description: str = ""
    settings: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _gather_settings(cls, given: Any) -> Any:
        """Take every key that is not the entry's own as a setting of the trick."""
        if not isinstance(given, Mapping):
            return given
        own = {key: value for key, value in given.items() if key in cls.model_fields}
        name = given.get("trick")
        if name is None:
            return own
        if name != PLAIN and name not in TRICKS:
            raise ValueError(
                f"unknown trick {name!r}{_did_you_mean(str(name), [PLAIN, *TRICKS])}; "
                f"choose from {', '.join([PLAIN, *TRICKS])}"
            )
        rest = {key: value for key, value in given.items() if key not in cls.model_fields}
        return own | {"settings": _check_settings(name, rest | dict(own.get("settings", {})))}

    @property
    def reads(self) -> list[str]:
        """The entries it reads."""
        if self.trick == POOLER:
            return []
        return list(self.inputs) if self.trick == JOIN else [self.input]


class RecipeSettings(BaseModel):
    """The whole of `recipe.yaml`.

    Attributes
    ----------
    name : str
        Names the recipe in messages.
    model : str
        The sentence encoder, for every trick.
    random_state : int
        The seed, for every trick.
    fit_rows : int
        Fitting reads at most this many texts, drawn at random with the seed.
    tricks : dict of TrickSettings
        The entries in order; an entry may read an earlier one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Identifier = "recipe"
    model: str = DEFAULT_MODEL
    random_state: int = 0
    fit_rows: Annotated[int, Field(ge=1)] = 20_000
    tricks: dict[Identifier, TrickSettings] = Field(min_length=1)

    @model_validator(mode="after")
    def _inputs_come_earlier(self) -> "RecipeSettings":
        earlier: list[str] = []
        for name, entry in self.tricks.items():
            if entry.trick == POOLER and entry.input != PLAIN:
                raise ValueError(f"tricks.{name}.input: a token_pooler reads texts, remove `input`")
            if (entry.trick == JOIN) != bool(entry.inputs):
                raise ValueError(
                    f"tricks.{name}.inputs: a join, and no other trick, lists the entries it joins"
                )
            for read in entry.reads:
                if read != PLAIN and read not in earlier:
                    raise ValueError(
                        f"tricks.{name}.input: {read!r} is no earlier entry; "
                        f"choose from {', '.join(dict.fromkeys([PLAIN, *earlier]))}"
                    )
            if entry.trick != PAIR:
                earlier.append(name)
        return self


def parse(given: Any, where: str) -> RecipeSettings:
    """Check settings read from YAML.

    Parameters
    ----------
    given : object
        What the YAML parser gave.
    where : str
        Named in errors: the file.

    Raises
    ------
    EmbfeastError
        Names every wrong field and what it may be.
    """
    if not isinstance(given, Mapping):
        raise EmbfeastError(f"{where}: a recipe is a mapping with `tricks`, got {given!r:.60}")
    try:
        return RecipeSettings.model_validate(dict(given))
    except ValidationError as error:
        raise EmbfeastError(f"{where}: {_one_line(error)}") from None


def _check_settings(trick: str, settings: dict[str, Any]) -> dict[str, Any]:
    if trick == PLAIN:
        model: type[BaseModel] = create_model("Embedding", __config__=ConfigDict(extra="forbid"))
    else:
        model = settings_model(trick)
    if unknown := [name for name in settings if name not in model.model_fields]:
        raise ValueError(
            f"unknown setting {unknown[0]!r} of {trick}"
            f"{_did_you_mean(unknown[0], model.model_fields)}; "
            f"it has {', '.join(model.model_fields) or 'none'}"
        )
    try:
        return model.model_validate(settings).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise ValueError(_one_line(error)) from None


@cache
def settings_model(trick: str) -> type[BaseModel]:
    """Return the pydantic model of a trick's settings, made from its constructor's types.

    So a setting is declared once, in the trick.
    """
    constructor = TRICKS[trick].__init__  # type: ignore[misc]
    hints = typing.get_type_hints(constructor)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(constructor).parameters.items():
        if name == "self" or name in SHARED:
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (_without_arrays(hints.get(name, Any)), default)
    return create_model(trick, __config__=ConfigDict(extra="forbid"), **fields)


def _without_arrays(hint: Any) -> Any:
    """Leave out array types, which YAML cannot give."""
    if not isinstance(hint, types.UnionType) and typing.get_origin(hint) is not typing.Union:
        return Any if _is_array(hint) else hint
    kept = [part for part in typing.get_args(hint) if not _is_array(part)]
    return typing.Union[tuple(kept)]  # noqa: UP007 - built from a list


def _is_array(hint: Any) -> bool:
    return hint is np.ndarray or typing.get_origin(hint) is np.ndarray


def _did_you_mean(word: str, known: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _one_line(error: ValidationError) -> str:
    said = []
    for problem in error.errors():
        # A union reports each of its branches; their type names are noise to a reader.
        place = ".".join(str(part) for part in problem["loc"] if "[" not in str(part))
        message = problem["msg"].removeprefix("Value error, ")
        said.append(f"{place}: {message}" if place else message)
    return "; ".join(dict.fromkeys(said))
