"""Which column is what: text, key, time, label. What is not given is found out, and said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from embfeast.errors import EmbfeastError
from embfeast.plugin.view_factory import KEY_TYPES
from embfeast.scaffold.loading import ROW, no_column
from embfeast.scaffold.names import shown
from embfeast.scaffold.table import Column, TextTable
from embfeast.texts.column_types import TEXT_TYPES, WHOLE_TYPES, base_type
from embfeast.texts.database import quote

TIME_NAMES = ("event_timestamp", "created_at", "written_at", "timestamp", "created", "date", "time")
# Say when a row was known or changed, rather than when it became true.
LATER_NAMES = ("known", "load", "ingest", "insert", "updat", "modif", "import", "delet", "clos")
# A text column has at least so many characters a value, of which so many differ.
LEAST_LENGTH, LEAST_VARIETY = 8, 0.05
# A second text column this near to the longest could as well be meant.
NEAR = 0.6
MOST_KEY_PARTS = 8
MOST_CLASSES = 30

# Who writes texts, by the name of a column; with fewer of them the column is rather a class.
WRITERS = (
    "customer",
    "client",
    "user",
    "author",
    "writer",
    "reviewer",
    "sender",
    "account",
    "member",
)
LEAST_ENTITIES = 10

# Answers a question with one of several columns, the likeliest first.
Choose = Callable[[str, Sequence[str]], str]


@dataclass(frozen=True)
class Roles:
    """What each column is for; empty or None where it was not given.

    `pairs` is the other text's key. `notes` say what was found out and why. `entity` is the column
    that says who wrote several texts, and why it is taken for that. `naive` times have no zone.
    """

    text: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    time: str | None = None
    created: str | None = None
    label: str | None = None
    pairs: str | None = None
    notes: tuple[str, ...] = ()
    entity: tuple[str, str] | None = None
    naive: bool = False

    @property
    def columns(self) -> list[str]:
        """The table's columns that were given."""
        singles = (self.time, self.created, self.label)
        return [*self.text, *self.key, *(name for name in singles if name is not None)]


def take_first(question: str, columns: Sequence[str]) -> str:
    """Take the likeliest column: the answer of a machine."""
    return columns[0]


def find_roles(table: TextTable, given: Roles, choose: Choose = take_first) -> Roles:
    """Check the columns that were given and find text, key and time where they were not.

    `choose` is asked only where several columns are about as likely.
    """
    if not table.rows:
        raise EmbfeastError(f"{table.name} is empty; features are learned from texts, so add some")
    for name in given.columns:
        if name not in table.columns:
            raise EmbfeastError(no_column(table.name, name, list(table.columns)))
    return _Search(table, given, choose).run()


class _Search:
    """One search: later questions leave out the columns that earlier ones took."""

    def __init__(self, table: TextTable, given: Roles, choose: Choose) -> None:
        self.table = table
        self.given = given
        self.choose = choose
        self.notes: list[str] = []
        self.naive = False
        self.taken = {*given.columns, given.pairs}

    def run(self) -> Roles:
        time = self._time()
        text = self._text()
        self._check_label([*text, *self.given.key, time])
        if self.given.created:
            self._check_time(self.given.created)
        for name in filter(None, (time, self.given.created)):
            self._say_zone(self.table.columns[name])
        key = self._key(time)
        self._say_possible_labels()
        pairs = self._pairs(key)
        given = replace(self.given, text=text, key=key, time=time, pairs=pairs)
        return replace(given, entity=self._entity(), notes=tuple(self.notes), naive=self.naive)

    def _check_label(self, others: Sequence[str]) -> None:
        if twice := [name for name in self.given.text if self.given.text.count(name) > 1]:
            raise EmbfeastError(f"--text {shown(twice[0])} is given twice; give it once")
        label = self.given.label
        if label is None:
            return
        if label in others:
            raise EmbfeastError(
                f"--label {shown(label)} is the text, key or time too; leave --label out, or name "
                "another column"
            )
        name = quote(label)
        if not self.table.count(f"{name} <> (SELECT any_value({name}) FROM {self.table.relation})"):
            raise EmbfeastError(
                f"{self.table.name}: label {shown(label)!r} has one value, or none; there is "
                "nothing to tell: leave --label out, or name another column"
            )

    def _free(self) -> list[Column]:
        return [c for name, c in self.table.columns.items() if name not in self.taken]

    def _take(self, names: Sequence[str], note: str) -> tuple[str, ...]:
        self.taken |= set(names)
        self.notes.append(note)
        return tuple(names)

    # Time.

    def _time(self) -> str:
        if self.given.time is not None:
            self._check_time(self.given.time)
            return self.given.time
        found = sorted((c for c in self._free() if c.is_time), key=likely_time)
        if not found:
            raise EmbfeastError(
                f"{self.table.name} has no time column, and features as of a time need one; if all "
                "texts were known at one moment, give that: --time 2026-01-01"
            )
        names = [column.name for column in found]
        close = [c.name for c in found if likely_time(c) == likely_time(found[0])]
        name = self.choose("When did a text become true?", names) if len(close) > 1 else names[0]
        others = [other for other in names if other != name]
        why = f"the likeliest of {_listed(names)}" if others else "the only time"
        self._take([name], f"time: {shown(name)}, {why}")
        if later := [other for other in others if _sounds_later(other)]:
            self.notes.append(f"if {later[0]} says when a row was known, add --created {later[0]}")
        return name

    def _check_time(self, name: str) -> None:
        column = self.table.columns[name]
        if not column.is_time:
            raise EmbfeastError(
                f"{self.table.name}: column {shown(name)!r} is {column.kind}, not a timestamp or "
                "date; name another with --time, or say how it reads with --time-format"
            )

    def _say_zone(self, column: Column) -> None:
        if column.kind == "DATE":
            self.naive = True
            self.notes.append(f"{shown(column.name)} has no time of day: taken as midnight UTC")
        elif "TIME ZONE" not in column.kind:
            self.naive = True
            self.notes.append(f"{shown(column.name)} has no time zone: taken as UTC")

    # Text.

    def _text(self) -> tuple[str, ...]:
        for name in self.given.text:
            self._check_text(self.table.columns[name])
        if self.given.text:
            return self.given.text
        found = sorted((c for c in self._free() if _likely_text(c)), key=lambda c: -c.length)
        if not found:
            held = (f"{shown(c.name)} ({shown(c.kind)})" for c in self.table.columns.values())
            raise EmbfeastError(
                f"{self.table.name}: no column looks like text; name it with --text. It has "
                + ", ".join(held)
            )
        names = [column.name for column in found]
        near = len(found) > 1 and found[1].length > NEAR * found[0].length
        name = self.choose("Which column holds the text?", names) if near else names[0]
        length = self.table.columns[name].length
        self._take([name], f"text: {shown(name)}, the longest (mean {length:.0f} characters)")
        if others := [other for other in names if other != name]:
            self.notes.append(
                f"{_listed(others)} may be text too: join columns by repeating --text"
            )
        return (name,)

    def _check_text(self, column: Column) -> None:
        where = f"{self.table.name}: text column {shown(column.name)!r}"
        if not column.is_text:
            raise EmbfeastError(
                f"{where} is {shown(column.kind)}, not text; name a VARCHAR column, or cast it in "
                "a query"
            )
        if column.nulls == self.table.rows or not column.length:
            raise EmbfeastError(f"{where} holds no text in any row; name another with --text")
        if column.reads_as == "number":
            raise EmbfeastError(
                f"{where} holds numbers, which have no meaning to a language model; use them as "
                "features as they are, and name a column of sentences with --text"
            )

    # Key.

    def _key(self, time: str) -> tuple[str, ...]:
        for name in self.given.key:
            column = self.table.columns[name]
            if column.value_type not in KEY_TYPES:
                text = f"CAST({quote(name)} AS VARCHAR) AS {quote(name)}"
                raise EmbfeastError(
                    f"{self.table.name}: key {shown(name)!r} is {column.kind}; a key is a whole "
                    f"number or a string: {self.table.as_query(f'* REPLACE ({text})')}"
                )
        if self.given.key:
            return self.given.key
        found = [c for c in self._free() if _likely_key(c)]
        rows = self.table.rows
        alone = [c for c in found if (c.distinct or 0) > 0.9 * rows]
        alone = [c for c in alone if c.name != ROW] or alone
        for column in sorted(alone, key=_sounds_like_key, reverse=True):
            if self.table.duplicate([column.name]) is None:
                return self._take([column.name], _key_note(column))
        likely = sorted(found, key=_sounds_like_key, reverse=True)
        named = [c.name for c in likely if _sounds_like_key(c)]
        for name in named:
            if self.table.duplicate([name, time]) is None:
                return self._take([name], f"key: {shown(name)}, with revisions by {shown(time)}")
        for pair in combinations(named[:MOST_KEY_PARTS], 2):
            if self.table.duplicate([*pair, time]) is None:
                return self._take(pair, f"key: {' and '.join(map(shown, pair))} together")
        raise EmbfeastError(
            f"{self.table.name}: no column tells one text from another (unique, or an id that is "
            "unique at each time); name the key with --key, twice for one of two columns, or make "
            "one of what tells rows apart: "
            + self.table.as_query("*, md5(concat_ws(chr(47), FIRST, SECOND)) AS text_id")
            + " --key text_id"
        )

    # The rest.

    def _pairs(self, key: tuple[str, ...]) -> str | None:
        other = self.given.pairs
        if other is None:
            return None
        if len(key) != 1:
            joined = f"*, concat_ws(chr(47), {', '.join(map(quote, key))}) AS text_id"
            raise EmbfeastError(
                f"--pairs needs texts with one key column, these have {', '.join(key)}; make one "
                f"of them: {self.table.as_query(joined)}"
            )
        column = self.table.columns.get(other)
        mine = self.table.columns[key[0]]
        if column is not None and column.value_type is not mine.value_type:
            raise EmbfeastError(
                f"{self.table.name}: {other!r} is {column.kind} and cannot name another text: "
                f"the key {key[0]!r} is {mine.kind}"
            )
        # Feast tells the two keys apart by name, and ours is found again behind the prefix.
        joined = other if other.endswith(key[0]) and other != key[0] else f"other_{key[0]}"
        if joined != other:
            self.notes.append(f"pairs: rename {other} to {joined} where you ask for pairs")
        return joined

    def _entity(self) -> tuple[str, str] | None:
        """Return who wrote several texts each, where a column says so by its name and values."""
        found = [c for c in self._free() if _likely_entity(c, self.table.rows)]
        if not found:
            return None
        column = max(found, key=lambda c: (_sounds_like_writer(c), c.distinct or 0))
        each = self.table.rows / (column.distinct or 1)
        return column.name, f"about {column.distinct:,} of them, with {each:.1f} texts each"

    def _say_possible_labels(self) -> None:
        if self.given.label is not None:
            return
        classes = [
            f"{shown(c.name)} ({c.distinct} values)"
            for c in self._free()
            if not c.is_time and 2 <= (c.distinct or 0) <= min(MOST_CLASSES, self.table.rows // 4)
        ]
        if classes:
            self.notes.append(f"no label; if a model is to predict one, add --label: {classes[0]}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names))


def _likely_text(column: Column) -> bool:
    return (
        column.is_text
        and column.reads_as is None
        and column.length >= LEAST_LENGTH
        and column.variety >= LEAST_VARIETY
        and not _sounds_like_key(column)
    )


def _likely_key(column: Column) -> bool:
    short = column.distinct is not None
    return short and not column.nulls and column.value_type in KEY_TYPES and column.kind != "JSON"


def _sounds_like_key(column: Column) -> int:
    """Return 2 for an id by name, 1 for a number or code, 0 else."""
    name = column.name.lower()
    if name in ("id", "key", "uuid", "guid") or name.endswith(("_id", "_key", "_uuid", "id_")):
        return 2
    if column.name.endswith(("Id", "ID")):
        return 2
    return int(name.endswith(("_no", "_nr", "number", "_code", "code", "_ref")))


def _likely_entity(column: Column, rows: int) -> bool:
    named = _sounds_like_writer(column) or _sounds_like_key(column) == 2
    several = LEAST_ENTITIES <= (column.distinct or 0) <= rows / 2
    exact = base_type(column.kind) in TEXT_TYPES | WHOLE_TYPES
    return named and several and exact and column.nulls < rows / 2


def _sounds_like_writer(column: Column) -> bool:
    return column.name.lower().removesuffix("_id").removesuffix("_name") in WRITERS


def _key_note(column: Column) -> str:
    if column.name == ROW:
        return f"key: {ROW}, the row's number, since no other column is unique"
    return f"key: {shown(column.name)}, unique in every row"


def likely_time(column: Column) -> tuple[bool, int]:
    """Return what sorts columns of times, the likeliest first."""
    name = column.name.lower()
    known = TIME_NAMES.index(name) if name in TIME_NAMES else len(TIME_NAMES)
    return _sounds_later(name), known


def _sounds_later(name: str) -> bool:
    return name.lower().startswith(LATER_NAMES)
