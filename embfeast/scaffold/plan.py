"""All that is known before a repository is written, and the values that its templates name."""

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embfeast.scaffold.names import name_of, singular
from embfeast.scaffold.place import Place
from embfeast.scaffold.proposal import Proposal
from embfeast.scaffold.repository import MERGED, STORE, entity_plans, is_repository, writer_plan
from embfeast.scaffold.roles import Roles
from embfeast.scaffold.survey import Sample, Survey
from embfeast.scaffold.table import TextTable
from embfeast.scaffold.text_pairs import TextPairs

# Whole numbers of which some are too large for a key.
NO_KEYS = {"UBIGINT", "HUGEINT"}


@dataclass(frozen=True)
class Plan:
    """A repository to be written, and what was found for it.

    `name` is what a text is called: the entity's name and the start of every view's.
    """

    repo: Path
    name: str
    model: str
    place: Place
    roles: Roles
    survey: Survey
    sample: Sample
    proposal: Proposal
    value_types: dict[str, str]
    two: TextPairs | None = None

    @property
    def as_of(self) -> str:
        """The proposed cutoff of the fit, as it is typed."""
        return self.survey.as_of.strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def example(self) -> dict[str, Any]:
        """The key of a text, or of a pair, that features are looked up of."""
        return self.two.example if self.two else self.survey.example

    @property
    def writer(self) -> str | None:
        """The column of who writes, where a history is proposed and it can be a key."""
        proposed = any(entry.trick == "entity_history" for entry in self.proposal.entries)
        column = self.roles.entity[0] if self.roles.entity and proposed else None
        return column if column in self.value_types else None

    def values(self) -> dict[str, Any]:
        """Return what the templates name."""
        keys = [(key, self.value_types[key]) for key in self.roles.key]
        key_entities, pair = entity_plans(keys, self.name, self.roles.pairs)
        mine = [*key_entities, *([pair] if pair else [])]
        writer = None
        if column := self.writer:
            writer = writer_plan(column, self.value_types[column], self.name, mine)
        table = f"the table `{self.place.table}` of" if self.place.table else "a query on"
        own = {
            "project": name_of(self.repo.resolve().name, "project"),
            "name": self.name,
            "model": self.model,
            "entities": [*mine, *([writer] if writer else [])],
            "key_entities": key_entities,
            "pair": pair,
            "writer": writer,
            "source": f"{self.name}_texts",
            "database": self.place.written,
            "table": self.place.table,
            "query": self.place.query,
            "count": f"{len(self.sample.texts):,}",
            "as_of": f"{self.survey.as_of:%Y-%m-%d %H:%M} UTC",
            "example": self.example,
            "pairs_query": self.two.query if self.two else None,
            "what": f"{table} `{self.place.written}`",
            "commands": self.commands("."),
        }
        return vars(self.roles) | vars(self.proposal) | own

    def commands(self, repo: str) -> list[str]:
        """Return the commands that come next, for a repository seen from where they are typed."""
        here = repo == "."
        repo = shlex.quote(repo)
        option = "" if here else f" --repo {repo}"
        as_of = f" --as-of {self.as_of}" if self.survey.needs_as_of else ""
        made = [
            f"embfeast fit{option}{as_of}",
            "feast apply" if here else f"feast -c {repo} apply",
            f"embfeast materialize{option}",
            f"embfeast lookup{option} {_key_options(self.example)}",
        ]
        if self.writer:
            who = _key_options(self.survey.writer)
            made.append(f"embfeast lookup{option} --text 'Something new' {who}")
        if self.roles.label:
            made.append(f"embfeast evaluate{option}")
        made.append(f"embfeast report{option}")
        if is_repository(self.repo) and (self.repo / MERGED).exists():
            made.insert(0, f"cp {self.repo / MERGED} {self.repo / STORE}  # after a look at it")
        return made

    def to_dict(self) -> dict[str, Any]:
        """Return all of it for machines."""
        return {
            "repo": str(self.repo),
            "name": self.name,
            "roles": asdict(self.roles),
            "survey": asdict(self.survey),
            "sample": {n: v for n, v in vars(self.sample).items() if n != "texts"},
            "recipe": [asdict(entry) for entry in self.proposal.entries],
            "left_out": self.proposal.left_out,
            "warnings": self.proposal.warnings,
        }


def _key_options(key: dict[str, Any]) -> str:
    pairs = (f"{name}={value}" for name, value in key.items())
    return " ".join(f"--key {shlex.quote(pair)}" for pair in pairs)


def text_name(given: str | None, place: Place) -> str:
    """Return what a text is called: as given, else a row of its table.

    Examples
    --------
    >>> text_name(None, Place(Path("d"), "d", "Reviews 2024", None, "Reviews 2024"))
    'reviews_2024'
    """
    return name_of(given) if given else name_of(singular(name_of(place.what)))


def key_types(table: TextTable, roles: Roles) -> dict[str, str]:
    """Return Feast's value type of each key column, and of who writes where that can be a key."""
    keys = list(roles.key)
    if roles.entity and table.columns[roles.entity[0]].kind not in NO_KEYS:
        keys.append(roles.entity[0])
    return {key: table.columns[key].value_type.name for key in keys}
