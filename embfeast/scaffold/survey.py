"""What the chosen columns hold: counts, time span, labels; and rows that none could stand for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from embfeast.errors import EmbfeastError
from embfeast.plugin.compute import joined_texts
from embfeast.plugin.database import quote
from embfeast.scaffold.roles import Roles
from embfeast.scaffold.table import TextTable

# A fit without --as-of reads the rows before this share of them, in order of time.
SHARE = 0.8
# If it would read less than this share of all rows, another cutoff is proposed.
LEAST_SHARE = 0.5
SAMPLE = 2_000
# Fewer distinct texts have no clusters, no directions and no neighbours to speak of.
LEAST_TEXTS = 10
MOST_LABELS = 200
MOMENT = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True)
class Survey:
    """What was counted over all rows.

    Attributes
    ----------
    rows, keys : int
        More rows than keys: texts have revisions.
    first, last : datetime
        Event times.
    as_of : datetime
        The proposed cutoff of the fit: it reads what was known before.
    needs_as_of : bool
        Whether `embfeast fit` must be told so, since its own cutoff would leave too little.
    before : int
        Rows known before the cutoff.
    labels : list of str
        The label's values before the cutoff, the most frequent first; at most 201.
    example : dict
        The key of the newest text.
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


@dataclass(frozen=True)
class Sample:
    """Texts drawn from the rows before the cutoff.

    Attributes
    ----------
    rows : int
        Drawn.
    texts : list of str
        The distinct ones that are not blank.
    blank, repeated : int
        Rows drawn whose text is missing or blank, or was drawn before.
    """

    rows: int
    texts: list[str]
    blank: int
    repeated: int


def survey(table: TextTable, roles: Roles) -> Survey:
    """Count what the roles' columns hold, over all rows.

    Raises
    ------
    EmbfeastError
        Keys or times are missing, or a key has two rows of one time: the message gives the query
        that leaves them out.
    """
    _refuse_nulls(table, roles)
    time = f"CAST({quote(str(roles.time))} AS {MOMENT})"
    known = _known(roles)
    keys = ", ".join(map(quote, roles.key))
    share = (int(SHARE * (table.rows - 1)) + 0.5) / table.rows  # the very row that a fit takes
    first, last, cutoff, known_last, key_count = table.ask(
        f"SELECT min({time}), max({time}), quantile_disc({time}, {share}), max({known}), "  # noqa: S608
        f"count(DISTINCT ({keys})) FROM {table.relation}"
    )[0]
    if key_count < table.rows:
        _refuse_duplicates(table, roles)
    before = f"{known} < $as_of"
    count = f"SELECT count(*) FROM {table.relation} WHERE {before}"  # noqa: S608
    read = table.ask(count, {"as_of": cutoff})[0][0]
    needs = read < LEAST_SHARE * table.rows
    if needs:
        cutoff = known_last.replace(microsecond=0) + timedelta(seconds=1)
        read = table.ask(count, {"as_of": cutoff})[0][0]
    labels = []
    if roles.label:
        found = table.ask(
            f"SELECT CAST({quote(roles.label)} AS VARCHAR) AS label FROM {table.relation} "  # noqa: S608
            f"WHERE {before} AND {quote(roles.label)} IS NOT NULL GROUP BY 1 "
            f"ORDER BY count(*) DESC, 1 LIMIT {MOST_LABELS + 1}",
            {"as_of": cutoff},
        )
        labels = [str(row[0]) for row in found]
    newest = table.ask(
        f"SELECT {keys} FROM {table.relation} ORDER BY {time} DESC, {keys} LIMIT 1"  # noqa: S608
    )[0]
    example = {
        name: value if isinstance(value, int) else str(value)
        for name, value in zip(roles.key, newest, strict=True)
    }
    return Survey(table.rows, key_count, first, last, cutoff, needs, read, labels, example)


def draw(table: TextTable, roles: Roles, as_of: datetime, rows: int = SAMPLE) -> Sample:
    """Draw texts from the rows before the cutoff, the same ones every time.

    Raises
    ------
    EmbfeastError
        There are too few distinct texts to learn from.
    """
    texts = ", ".join(map(quote, roles.text))
    order = ", ".join(map(quote, [*roles.key, str(roles.time)]))
    drawn = table.connection.sql(
        f"SELECT {texts} FROM {table.relation} WHERE {_known(roles)} < $as_of "  # noqa: S608
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


def _known(roles: Roles) -> str:
    """Return the SQL of the moment from which on a row may be read."""
    moments = [str(roles.time), *([roles.created] if roles.created else [])]
    return f"greatest({', '.join(f'CAST({quote(name)} AS {MOMENT})' for name in moments)})"


def _refuse_nulls(table: TextTable, roles: Roles) -> None:
    for name in [*roles.key, str(roles.time)]:
        if nulls := table.columns[name].nulls:
            raise EmbfeastError(
                f"{table.name}: {nulls:,} of {table.rows:,} rows have no {name!r}; fill it, or "
                "leave them out: " + table.as_query("*", f" WHERE {quote(name)} IS NOT NULL")
            )


def _refuse_duplicates(table: TextTable, roles: Roles) -> None:
    names = [*roles.key, str(roles.time), *([roles.created] if roles.created else [])]
    found = table.duplicate(names)
    if found is None:
        return
    *values, count = found
    said = ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
    by = ", ".join(map(quote, names))
    raise EmbfeastError(
        f"{table.name}: {count} rows have the same key and time ({said}); name what else tells "
        "them apart with another --key, or keep one of each: "
        + table.as_query(f"DISTINCT ON ({by}) *")
    )
