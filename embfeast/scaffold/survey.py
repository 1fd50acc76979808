"""What the chosen columns hold: counts, time span, labels; and rows that none could stand for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from embfeast.errors import EmbfeastError
from embfeast.recipe.encoded import is_missing
from embfeast.repository.fitting import nearest_cutoff
from embfeast.scaffold.names import shown
from embfeast.scaffold.roles import Roles
from embfeast.scaffold.table import TextTable
from embfeast.texts.column_types import moment
from embfeast.texts.database import quote
from embfeast.texts.opened import joined_texts

# A fit without --as-of reads the rows before this share of them, in order of time.
SHARE = 0.8
# If it would read less than this share of all rows, another cutoff is proposed.
LEAST_SHARE = 0.5
SAMPLE = 2_000
# Fewer distinct texts have no clusters, no directions and no neighbours to speak of.
LEAST_TEXTS = 10
MOST_LABELS = 200
# What programs write for a time that they do not have.
FILLERS = ("1970-01-01", "1900-01-01", "1899-12-30", "1904-01-01", "1753-01-01", "0001-01-01")
# Rows among which one with a text is looked for.
LATEST = 1_000


def _is_filler(time: datetime) -> bool:
    return time.isoformat()[:19] in {f"{day}T00:00:00" for day in FILLERS}


@dataclass(frozen=True)
class Survey:
    """What was counted over all rows. More rows than keys: texts have revisions.

    `as_of` is the proposed cutoff of the fit, which reads the rows known `before` it; `needs_as_of`
    says that `embfeast fit` must be told so, since its own cutoff would leave too little. `labels`
    are the label's values before the cutoff, the most frequent first. `example` is the key of the
    newest text that has features, `at_first` is how many rows are of the first moment, and `writer`
    is who wrote last, where a column says so.
    """

    rows: int
    keys: int
    first: datetime
    last: datetime
    as_of: datetime
    needs_as_of: bool
    before: int
    labels: list[str]
    example: dict[str, Any]
    at_first: int = 1
    writer: dict[str, Any] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """What is to be said of the times."""
        if self.first != self.last:
            if self.at_first == 1 or not _is_filler(self.first):
                return []
            return [
                f"{self.at_first:,} of {self.rows:,} rows are of {self.first:%Y-%m-%d}, midnight: "
                "leave them out by --query where that stands for a missing time"
            ]
        return ["all texts are of one moment: a fit reads all of them, none is left to test on"]


@dataclass(frozen=True)
class Sample:
    """Rows drawn from those before the cutoff, and their distinct texts that are not blank.

    `blank` ones are missing or blank, `repeated` ones were drawn before.
    """

    rows: int
    texts: list[str]
    blank: int
    repeated: int


def survey(table: TextTable, roles: Roles, *, every_text: bool = False) -> Survey:
    """Count what the roles' columns hold, over all rows.

    The example is a key of which one text column is filled, or every one where that is asked for.
    Missing keys or times, and two rows of one key and time, are refused: the message gives the
    query that leaves them out.
    """
    _refuse_nulls(table, roles)
    time, since = moment(str(roles.time)), known(roles)
    keys = ", ".join(map(quote, roles.key))
    _refuse_far_times(table, roles)
    share = (int(SHARE * (table.rows - 1)) + 0.5) / table.rows  # the very row that a fit takes
    first, last, reached, known_last, key_count = table.first(
        f"min({time}), max({time}), quantile_disc({time}, {share}), max({since}), "
        f"count(DISTINCT ({keys}))"
    )
    at_first = table.count(f"{time} = $first", first=first)
    if key_count < table.rows:
        _refuse_duplicates(table, roles)
    earlier, upto, following = table.first(
        f"count(*) FILTER ({time} < $at), count(*) FILTER ({time} <= $at), "
        f"min({time}) FILTER ({time} > $at)",
        at=reached,
    )
    cutoff = nearest_cutoff(reached, following, earlier, upto, table.rows, SHARE)
    before = f"{since} < $as_of"
    read = table.count(before, as_of=cutoff)
    needs = read < LEAST_SHARE * table.rows
    if needs:
        cutoff = known_last.replace(microsecond=0) + timedelta(seconds=1)
        read = table.count(before, as_of=cutoff)
    labels = []
    if roles.label:
        found = table.ask(
            f"SELECT CAST({quote(roles.label)} AS VARCHAR) AS label FROM {table.relation} "
            f"WHERE {before} AND {quote(roles.label)} IS NOT NULL GROUP BY 1 "
            f"ORDER BY count(*) DESC, 1 LIMIT {MOST_LABELS + 1}",
            {"as_of": cutoff},
        )
        labels = [str(row[0]) for row in found]
    example = _example(table, roles, all if every_text else any)
    writer = _newest_writer(table, roles)
    return Survey(
        table.rows, key_count, first, last, cutoff, needs, read, labels, example, at_first, writer
    )


def _newest_writer(table: TextTable, roles: Roles) -> dict[str, Any]:
    if roles.entity is None:
        return {}
    column = quote(roles.entity[0])
    said = f"{column} IS NOT NULL ORDER BY {moment(str(roles.time))} DESC, 1"
    return {roles.entity[0]: table.first(column, said)[0]}


def _example(
    table: TextTable, roles: Roles, enough: Callable[[Iterable[bool]], bool]
) -> dict[str, Any]:
    """Return the key of the newest text by now that has features: one that is not blank."""
    time, keys = moment(str(roles.time)), ", ".join(map(quote, roles.key))
    texts = ", ".join(f"left(ltrim({quote(name)}), 1000)" for name in roles.text)
    newest = table.ask(
        f"SELECT {keys}, {texts} FROM {table.relation} "
        f"ORDER BY {time} <= now() DESC, {time} DESC, {known(roles)} DESC, {keys} LIMIT {LATEST}"
    )
    width = len(roles.key)
    current: dict[tuple[Any, ...], bool] = {}  # a key's newest revision alone is looked up
    for row in newest:
        current.setdefault(row[:width], enough(not is_missing(text) for text in row[width:]))
    found = next((key for key, filled in current.items() if filled), newest[0][:width])
    return {
        name: value if isinstance(value, int) else str(value)
        for name, value in zip(roles.key, found, strict=True)
    }


def draw(table: TextTable, roles: Roles, as_of: datetime, rows: int = SAMPLE) -> Sample:
    """Draw texts from the rows before the cutoff, the same ones every time."""
    texts = ", ".join(map(quote, roles.text))
    order = ", ".join(map(quote, [*roles.key, str(roles.time)]))
    drawn = table.connection.sql(
        f"SELECT {texts} FROM {table.relation} WHERE {known(roles)} < $as_of "
        f"ORDER BY hash({order}) LIMIT {rows}",
        params={"as_of": as_of},
    ).to_arrow_table()
    said = joined_texts(drawn, roles.text)
    filled = [text for text in said if text is not None]
    distinct = list(dict.fromkeys(filled))
    if len(distinct) < LEAST_TEXTS:
        raise EmbfeastError(
            f"{table.name} has {len(distinct)} distinct texts in {', '.join(roles.text)} before "
            f"{as_of:%Y-%m-%d %H:%M}; features are learned from texts, and fewer than "
            f"{LEAST_TEXTS} teach nothing: add texts"
        )
    return Sample(len(said), distinct, len(said) - len(filled), len(filled) - len(distinct))


def known(roles: Roles) -> str:
    """Return the SQL of the moment from which on a row may be read."""
    return f"greatest({', '.join(map(moment, _times(roles)))})"


def _times(roles: Roles) -> list[str]:
    return [name for name in (roles.time, roles.created) if name]


def _refuse_far_times(table: TextTable, roles: Roles) -> None:
    for name in _times(roles):
        if count := table.count(f"NOT ({_fine(moment(name))})"):
            raise EmbfeastError(
                f"{table.name}: {count:,} of {table.rows:,} rows have a {shown(name)!r} that is "
                "infinite, or of no year from 1 to 9999; give them a time, or leave them out: "
                + table.as_query("*", _fine(table.given_moment(name)))
            )


def _fine(time: str) -> str:
    return f"isfinite({time}) AND {time} BETWEEN '0001-01-02' AND '9999-12-30'"


def _refuse_nulls(table: TextTable, roles: Roles) -> None:
    for name in [*roles.key, str(roles.time)]:
        if nulls := table.columns[name].nulls:
            raise EmbfeastError(
                f"{table.name}: {nulls:,} of {table.rows:,} rows have no {shown(name)!r}; fill it, "
                "or leave them out: " + table.as_query("*", f"{quote(name)} IS NOT NULL")
            )


def _refuse_duplicates(table: TextTable, roles: Roles) -> None:
    names, times = [*roles.key, *_times(roles)], _times(roles)
    if (found := table.duplicate(roles.key, times)) is None:
        return
    *values, count = found
    said = ", ".join(f"{shown(name)}={value}" for name, value in zip(names, values, strict=True))
    by = ", ".join([*map(quote, roles.key), *map(table.given_moment, times)])
    raise EmbfeastError(
        f"{table.name}: {count} rows have the same key and time ({said}); name what else tells "
        "them apart with another --key, or keep one of each: "
        + table.as_query(f"DISTINCT ON ({by}) *")
    )
