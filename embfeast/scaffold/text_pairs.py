"""Tables with two texts a row, say questions: read as single texts, and as pairs of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embfeast.errors import EmbfeastError
from embfeast.scaffold.names import shown
from embfeast.scaffold.place import Place
from embfeast.scaffold.roles import Choose, Roles, find_roles
from embfeast.scaffold.survey import known, survey
from embfeast.scaffold.table import TextTable
from embfeast.texts.database import literal, quote

# What one text of a pair is called where nobody says; and the column that holds it.
TEXT = "text"


@dataclass(frozen=True)
class TextPairs:
    """The texts of a table's pairs.

    `place` gives them, one a row, under keys that name the row and the column: ``17/question1``.
    `roles` are those of its columns, with what was found out. `query` reads the pairs themselves,
    with what a model is to predict of them, and `example` is the newest one.
    """

    place: Place
    roles: Roles
    query: str
    example: dict[str, Any]


def check_pair(given: Roles) -> None:
    """Refuse options that name no pair."""
    if len(given.text) != 2 or len(set(given.text)) != 2:
        raise EmbfeastError("--pair needs the two text columns of a row: --text LEFT --text RIGHT")
    if given.pairs:
        raise EmbfeastError("--pair makes the other text's key itself; leave --pairs out")


def find_pairs(
    table: TextTable, place: Place, given: Roles, choose: Choose, name: str
) -> TextPairs:
    """Check a table of pairs and find its key and time as for single texts.

    `name` is what one text is called.
    """
    roles = find_roles(table, given, choose)
    counted = survey(table, roles, every_text=True)
    key, other = f"{name}_id", f"other_{name}_id"
    times = [time for time in (roles.time, roles.created) if time]
    if taken := [time for time in times if time.lower() in (key, TEXT)]:
        raise EmbfeastError(
            f"{table.name}: the texts of pairs are read as columns {key} and {TEXT}, and "
            f"{shown(taken[0])!r} is a time; give it another name in a --query"
        )
    left, right = (_id(roles.key, side) for side in roles.text)
    columns = [
        f"unnest([{left}, {right}]) AS {quote(key)}",
        f"unnest([{', '.join(map(quote, roles.text))}]) AS {quote(TEXT)}",
        *map(quote, times),
    ]
    pairs = [f"{left} AS {quote(key)}", f"{right} AS {quote(other)}"]
    pairs += [quote(roles.label)] if roles.label else []
    pairs.append(f"{known(roles)} AS event_timestamp")
    sides = ["/".join([*map(str, counted.example.values()), side]) for side in roles.text]
    notes = [*roles.notes, f"pairs: each row has two texts, {sides[0]} and {sides[1]} by key"]
    if roles.label:
        notes.append(
            f"label: {shown(roles.label)} is of a pair: README.md reads it beside features"
        )
    return TextPairs(
        place.selecting(_lines(columns)),
        Roles((TEXT,), (key,), roles.time, roles.created, None, other, tuple(notes)),
        f"SELECT{_lines(pairs)} FROM {table.relation}",
        dict(zip((key, other), sides, strict=True)),
    )


def _id(keys: Sequence[str], side: str) -> str:
    return f"concat_ws('/', {', '.join([*map(quote, keys), literal(side)])})"


def _lines(columns: Sequence[str]) -> str:
    return "\n    " + ",\n    ".join(columns) + "\n"
