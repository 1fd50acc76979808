"""The settings of a recipe: what `recipe.yaml` may say, checked by pydantic."""

import inspect
import types
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    create_model,
    model_serializer,
    model_validator,
)

from embfeast.encoding import DEFAULT_MODEL
from embfeast.encoding.settings import ModelField, model_settings
from embfeast.errors import EmbfeastError, did_you_mean
from embfeast.tricks.registry import TRICKS
from embfeast.tricks.trick import Trick

# The sentence vector, where an entry says nothing else that it reads.
PLAIN = "embedding"
# Given by the recipe as a whole, so that no trick uses another model or seed by mistake.
SHARED = {"model", "random_state"}
# Left out where they are empty: recipes that were fitted before they were known keep their digests.
SIDES = ("left", "right")

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


class TrickSettings(BaseModel):
    """One entry of a recipe: a trick, what it reads, and its own settings.

    Attributes
    ----------
    trick : str
        One of the keys of `TRICKS`.
    input : str
        The entry whose output it reads; ``"embedding"`` is the sentence vector.
    inputs : list of str
        For ``"join"``: the entries that stand side by side in its vector.
    left, right : str
        For a trick on pairs, instead of `input`: the entries that it reads of either text.
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
    left: str = ""
    right: str = ""
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
        entry = {key: value for key, value in given.items() if key in cls.model_fields}
        name = given.get("trick")
        if name is None:
            return entry
        if name not in TRICKS:
            raise ValueError(
                f"unknown trick {name!r}{did_you_mean(str(name), TRICKS)}; "
                f"choose from {', '.join(TRICKS)}"
            )
        rest = {key: value for key, value in given.items() if key not in cls.model_fields}
        return entry | {"settings": _check_settings(name, rest | dict(entry.get("settings", {})))}

    @model_serializer(mode="wrap")
    def _what_was_said(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        said: dict[str, Any] = dump(self)
        return {key: value for key, value in said.items() if value or key not in SIDES}

    @property
    def kind(self) -> type[Trick]:
        """The trick's class."""
        return TRICKS[self.trick]

    @property
    def reads(self) -> list[str]:
        """The entries it reads."""
        takes = self.kind.takes
        if takes == "pair":
            return list(dict.fromkeys(self.sides))
        return {"texts": [], "vectors": list(self.inputs)}.get(takes, [self.input])

    @property
    def sides(self) -> tuple[str, str]:
        """The entries that a trick on pairs reads of the left text and of the right one."""
        return self.left or self.input, self.right or self.input


class RecipeSettings(BaseModel):
    """The whole of `recipe.yaml`.

    Attributes
    ----------
    name : str
        Names the recipe in messages.
    model : str or ModelSettings
        The sentence encoder, for every trick: its name, or a mapping that says more.
    random_state : int
        The seed, for every trick.
    fit_rows : int
        Fitting reads at most this many texts, drawn at random with the seed.
    tricks : dict of TrickSettings
        The entries in order; an entry may read an earlier one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Identifier = "recipe"
    model: ModelField = DEFAULT_MODEL
    random_state: int = 0
    fit_rows: Annotated[int, Field(ge=1)] = 20_000
    tricks: dict[Identifier, TrickSettings] = Field(min_length=1)

    @model_validator(mode="after")
    def _inputs_come_earlier(self) -> "RecipeSettings":
        earlier: list[str] = []
        for name, entry in self.tricks.items():
            takes = entry.kind.takes
            self._check_sides(name)
            if takes == "texts" and entry.input != PLAIN:
                raise ValueError(
                    f"tricks.{name}.input: a {entry.trick} reads texts, remove `input`"
                )
            if takes == "vectors" and not entry.inputs:
                raise ValueError(
                    f"tricks.{name}.inputs: a {entry.trick} lists the entries it joins"
                )
            if takes != "vectors" and entry.inputs:
                raise ValueError(
                    f"tricks.{name}.inputs: a {entry.trick} reads one entry, by `input`"
                )
            for read in entry.reads:
                if read != PLAIN and read not in earlier:
                    raise ValueError(
                        f"tricks.{name}.input: {read!r} is no earlier entry; "
                        f"choose from {', '.join(dict.fromkeys([PLAIN, *earlier]))}"
                    )
            if entry.kind.as_query:
                self._check_query(name)
            if takes != "pair":
                earlier.append(name)
        return self

    def _check_sides(self, name: str) -> None:
        entry = self.tricks[name]
        if not (given := [side for side in SIDES if getattr(entry, side)]):
            return
        if entry.kind.takes != "pair":
            raise ValueError(f"tricks.{name}.{given[0]}: a {entry.trick} reads no pairs, remove it")
        if len(given) < len(SIDES) or entry.input != PLAIN:
            raise ValueError(f"tricks.{name}: give `input`, or both of left and right")

    def _check_query(self, name: str) -> None:
        """Refuse a query's entry where nothing says how queries are read, or that cannot be."""
        if not model_settings(self.model).reads_queries:
            raise ValueError(
                f"tricks.{name}: how model {str(self.model)!r} reads a query is not said; give "
                "`query_prompt_name` (one of the model's prompts) or `query_prompt` (the words "
                "themselves) of `model`"
            )
        for read in self.needed([self.tricks[name].input]):
            kind = self.tricks[read].kind
            if kind.takes == "texts" or kind.as_query or self.make(read).needs_occasions:
                raise ValueError(
                    f"tricks.{name}.input: {read!r} ({self.tricks[read].trick}) cannot be made of "
                    "a query: it reads more than the sentence vector; choose another input"
                )

    @property
    def entity_entries(self) -> list[str]:
        """Entries whose features depend on what else an entity wrote, by a trick that they read."""
        return [
            name
            for name in self.tricks
            if any(self.tricks[one].kind.needs_entity for one in self.needed([name]))
        ]

    @property
    def entity_columns(self) -> list[str]:
        """The columns that name those entities."""
        columns = (
            getattr(self.make(name), "entity", None)
            for name, entry in self.tricks.items()
            if entry.kind.needs_entity
        )
        return list(dict.fromkeys(filter(None, columns)))

    def needed(self, wanted: Iterable[str], *, of_queries: bool = True) -> set[str]:
        """Return the wanted entries and those they read, or do without those read of queries."""
        needed: set[str] = set()
        todo = list(wanted)
        while todo:
            name = todo.pop()
            if name in self.tricks and name not in needed:
                needed.add(name)
                if of_queries or not self.tricks[name].kind.as_query:
                    todo += self.tricks[name].reads
        return needed

    def make(self, name: str) -> Trick:
        """Return the unfitted transformer of an entry, with the recipe's own model and seed."""
        entry = self.tricks[name]
        shared = {
            one: getattr(self, one)
            for one in SHARED & set(inspect.signature(entry.kind).parameters)
        }
        return entry.kind(**entry.settings, **shared)


def parse(given: Any, where: str) -> RecipeSettings:
    """Check settings read from the YAML file `where`; the error names every wrong field."""
    if not isinstance(given, Mapping):
        raise EmbfeastError(f"{where}: a recipe is a mapping with `tricks`, got {given!r:.60}")
    try:
        return RecipeSettings.model_validate(dict(given))
    except ValidationError as error:
        raise EmbfeastError(f"{where}: {_one_line(error)}") from None


def _check_settings(trick: str, settings: dict[str, Any]) -> dict[str, Any]:
    model = settings_model(trick)
    if unknown := [name for name in settings if name not in model.model_fields]:
        raise ValueError(
            f"unknown setting {unknown[0]!r} of {trick}"
            f"{did_you_mean(unknown[0], model.model_fields)}; "
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
    kind = TRICKS[trick]
    hints = typing.get_type_hints(kind.__init__)
    fields: dict[str, Any] = {
        name: (_without_arrays(hints.get(name, Any)), parameter.default)
        for name, parameter in inspect.signature(kind).parameters.items()
        if name not in SHARED
    }
    return create_model(trick, __config__=ConfigDict(extra="forbid"), **fields)


def _without_arrays(hint: Any) -> Any:
    """Leave out array types, which YAML cannot give."""
    if not isinstance(hint, types.UnionType) and typing.get_origin(hint) is not typing.Union:
        return Any if _is_array(hint) else hint
    kept = [part for part in typing.get_args(hint) if not _is_array(part)]
    return typing.Union[tuple(kept)]  # noqa: UP007 - built from a list


def _is_array(hint: Any) -> bool:
    kind = typing.get_origin(hint) or hint
    # NumPy 2.5 names what `NDArray` stands for; before it was the array type itself.
    kind = getattr(kind, "__value__", kind)
    return np.ndarray in (kind, typing.get_origin(kind))


def _one_line(error: ValidationError) -> str:
    problems = []
    for problem in error.errors():
        # A union reports each of its branches; their type names are noise to a reader.
        place = ".".join(str(part) for part in problem["loc"] if "[" not in str(part))
        message = problem["msg"].removeprefix("Value error, ")
        problems.append(f"{place}: {message}" if place else message)
    return "; ".join(dict.fromkeys(problems))
