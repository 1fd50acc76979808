"""Generate support tickets: `python scripts/make_sample.py --rows 5000 --seed 7`.

A ticket depends on the seed and its own number alone: the same seed gives the same rows, and a
million are made in chunks without holding them in memory.
"""

import random
import string
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import duckdb
import pyarrow as pa
import typer
import yaml

from console import console, new_sample_database, run
from embfeast import EmbfeastError
from embfeast.commands.console import progress

TEXTS = yaml.safe_load(Path(__file__).with_name("sample_texts.yaml").read_text(encoding="utf-8"))
TOPICS = TEXTS["topics"]
FIRST = datetime(2025, 7, 1, tzinfo=UTC)
LAST = datetime(2026, 6, 30, tzinfo=UTC)
CHUNK = 5_000
NAMES = list(TOPICS)

# How often things happen.
LONG_SHARE = 0.10
EDITED_SHARE = 1 / 7
LATE_SHARE = 0.08
DUPLICATE_SHARE = 0.06
TWO_TOPICS_SHARE = 0.10
FOREIGN_SHARE = 0.05
EMPTY_SHARE = 0.004
NULL_SHARE = 0.002
TYPO_SHARE = 0.25
WRONG_LABEL_SHARE = 0.05

Rows = Iterator[tuple[str, tuple[Any, ...]]]


@dataclass
class Incident:
    """What a ticket is about; its duplicate tells the same one in other words."""

    topic: str
    slots: dict[str, str]
    second: str | None = None
    duplicate_of: int | None = None
    rng: random.Random = field(default_factory=random.Random)


def make_sample(
    database: Path,
    rows: int = 5_000,
    seed: int = 7,
    advance: Callable[[int], Any] = lambda done: None,
) -> str:
    """Write the tables of so many tickets, and return in a sentence what they hold.

    An older file stays until they are complete; `advance` is called with the number of tickets
    done since the last call.
    """
    if rows < 1:
        raise EmbfeastError(f"--rows must be at least 1, got {rows}")
    counts: Counter[str] = Counter()
    with new_sample_database(database) as connection:
        for start in range(0, rows, CHUNK):
            numbers = range(start + 1, min(start + CHUNK, rows) + 1)
            counts += _write(connection, seed, numbers, rows)
            advance(len(numbers))
    return (
        f"{rows:,} tickets in {counts['tickets']:,} revisions, {counts['missing']} without a text, "
        f"{counts['pairs']:,} labelled pairs"
    )


def _write(
    connection: duckdb.DuckDBPyConnection, seed: int, numbers: range, rows: int
) -> Counter[str]:
    made: dict[str, list[tuple[Any, ...]]] = {"tickets": [], "labels": [], "pairs": []}
    for number in numbers:
        for table, row in _ticket(seed, number, rows):
            made[table].append(row)
    for table, filled in made.items():
        if filled:
            columns = [pa.array(values) for values in zip(*filled, strict=True)]
            chunk = pa.table(columns, [str(place) for place in range(len(columns))])
            connection.register("chunk", chunk)
            connection.execute(f"INSERT INTO {table} FROM chunk")
    missing = sum(not (body or "").strip() for _, _, _, body, *_ in made["tickets"])
    return Counter(tickets=len(made["tickets"]), pairs=len(made["pairs"]), missing=missing)


def _ticket(seed: int, number: int, rows: int) -> Rows:
    """Yield the rows of one ticket: its revisions, its label, its pairs."""
    incident = _incident(seed, number)
    rng = incident.rng
    customer = rng.randrange(1, max(2, rows // 4))
    at = _event_time(rng, number, rows)
    subject, body, mood = _text(incident)
    product, channel = incident.slots["product"], rng.choice(TEXTS["channels"])
    revisions = [(at, body)]
    if rng.random() < EDITED_SHARE and body:
        later = at + timedelta(hours=rng.uniform(0.5, 96))
        addition = rng.choice(TEXTS["additions"]).format(**incident.slots)
        revisions.append((later, f"{body}\n{addition}"))
    tickets = []
    for when, text in revisions:
        late = rng.expovariate(1 / 20) if rng.random() < LATE_SHARE else 0.0
        known = when + timedelta(hours=late, seconds=rng.randrange(1, 30))
        tickets.append((number, customer, subject, text, product, channel, when, known))
    labelled = at + timedelta(hours=rng.uniform(2, 72))
    label = _label(incident, number, customer, labelled, mood, body)
    filed_as = label[3]
    for ticket in tickets:
        yield "tickets", (*ticket, filed_as, labelled)
    yield "labels", label
    yield from _pairs(incident, seed, number, labelled)


def _incident(seed: int, number: int) -> Incident:
    """Return the incident of a ticket; a duplicate looks its original up by making it again."""
    rng = random.Random(f"{seed}:{number}")  # noqa: S311 - sample data
    if number > 50 and rng.random() < DUPLICATE_SHARE:
        original = number - rng.randrange(1, 50)
        told = _incident(seed, original)
        if told.duplicate_of is None:
            return Incident(told.topic, told.slots, None, original, rng)
    topic = rng.choices(NAMES, weights=[1 + (i % 4) * 0.6 for i in range(len(NAMES))])[0]
    second = rng.choice(NAMES) if rng.random() < TWO_TOPICS_SHARE else None
    slots = {
        "product": rng.choice(TEXTS["products"]),
        "city": rng.choice(TEXTS["cities"]),
        "day": rng.choice(TEXTS["days"]),
        "days": str(rng.randrange(2, 30)),
        "amount": f"{rng.choice('€$£')}{rng.randrange(5, 900)}.{rng.randrange(100):02d}",
        "order": f"{rng.choice('ABCX')}{rng.randrange(10_000, 99_999)}",
        "code": str(rng.choice([400, 401, 403, 404, 409, 429, 500, 502, 503, 1201, 2044])),
    }
    return Incident(topic, slots, second if second != topic else None, None, rng)


def _text(incident: Incident) -> tuple[str | None, str | None, float]:
    """Return subject, body, and how urgent the words are (-1 to 1)."""
    rng, topic = incident.rng, TOPICS[incident.topic]
    subject = rng.choice(topic["subjects"]).format(**incident.slots) if rng.random() < 0.9 else None
    chance = rng.random()
    if chance < EMPTY_SHARE:
        return None, rng.choice(["", "   ", "\n"]), 0.0
    if chance < EMPTY_SHARE + NULL_SHARE:
        return None, None, 0.0
    if incident.duplicate_of is None and rng.random() < FOREIGN_SHARE:
        return subject, rng.choice(topic["foreign"]).format(**incident.slots), 0.0
    mood, sentences = _sentences(incident)
    body = " ".join(sentences)
    if rng.random() < TYPO_SHARE:
        body = _mistype(rng, body)
    if rng.random() < 0.08:
        body += " " + rng.choice(TEXTS["emoji"])
    return subject, body, mood


def _sentences(incident: Incident) -> tuple[float, list[str]]:
    rng, topic, slots = incident.rng, TOPICS[incident.topic], incident.slots
    phrasings = topic["first"] if incident.duplicate_of is None else topic["second"]
    said = [rng.choice(TEXTS["greetings"])] if rng.random() < 0.5 else []
    said += rng.sample(phrasings, k=1 + (rng.random() < 0.25))
    if rng.random() < 0.4:
        said.append(rng.choice(TEXTS["contexts"]))
    if incident.second:
        said += [rng.choice(TEXTS["separators"]), rng.choice(TOPICS[incident.second]["first"])]
    mood = 0.0
    if rng.random() < 0.2:
        mood, words = (1.0, TEXTS["urgent"]) if rng.random() < 0.6 else (-1.0, TEXTS["relaxed"])
        said.append(rng.choice(words))
    if rng.random() < 0.6:
        said.append(rng.choice(TEXTS["requests"]))
    if rng.random() < LONG_SHARE:
        said += [rng.choice(TEXTS["long"]) for _ in range(rng.randrange(17, 26))]
    if rng.random() < 0.4:
        said.append(rng.choice(TEXTS["closings"]))
    return mood, [sentence.format(**slots) for sentence in said]


def _mistype(rng: random.Random, text: str) -> str:
    """Drop, double, swap or replace a few letters."""
    letters = list(text)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(letters) - 1)
        kind = rng.randrange(4)
        if kind == 0:
            letters[at] = ""
        elif kind == 1:
            letters[at] *= 2
        elif kind == 2:
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
        elif letters[at].isalpha():
            letters[at] = rng.choice(string.ascii_lowercase)
    return "".join(letters)


def _event_time(rng: random.Random, number: int, rows: int) -> datetime:
    """Spread tickets over the year in order of their numbers, growing mildly towards its end."""
    share = ((number - 1 + rng.random()) / rows) ** 0.9
    at = FIRST + (LAST - FIRST) * share
    return at.replace(microsecond=0)


def _label(
    incident: Incident, number: int, customer: int, at: datetime, mood: float, body: str | None
) -> tuple[Any, ...]:
    rng, topic = incident.rng, TOPICS[incident.topic]
    category = incident.topic if rng.random() > WRONG_LABEL_SHARE else rng.choice(NAMES)
    tier = customer % 10  # one customer in ten pays for quicker help
    pressure = topic["urgency"] + 0.35 * mood + (0.2 if tier == 0 else 0) + rng.gauss(0, 0.13)
    levels = ((0.18, "low"), (0.62, "normal"), (0.85, "high"))
    urgency = next((name for bound, name in levels if pressure < bound), "critical")
    length = 1 + len(body or "") / 2_000
    hours = topic["hours"] * length * (0.7 if tier == 0 else 1) * rng.lognormvariate(0, 0.4)
    hours = round(hours, 2)
    return number, customer, at, category, urgency, hours, incident.duplicate_of


def _pairs(incident: Incident, seed: int, number: int, at: datetime) -> Rows:
    """Yield a duplicate's pair and three tickets of its neighbourhood that are none."""
    if incident.duplicate_of is None:
        return
    yield "pairs", (number, incident.duplicate_of, True, at)
    others = [
        other
        for other in range(number - 1, max(0, number - 200), -1)
        if other != incident.duplicate_of
    ]
    alike = (o for o in others if _incident(seed, o).topic == incident.topic)
    strangers = [next(alike, None), next(alike, None), incident.rng.choice(others)]
    for other in dict.fromkeys(strangers):
        if other is not None and _incident(seed, other).duplicate_of != incident.duplicate_of:
            yield "pairs", (number, other, False, at)


def main(
    rows: Annotated[int, typer.Option(help="Tickets to make; revisions come on top.")] = 5_000,
    seed: Annotated[int, typer.Option(help="Same seed, same rows.")] = 7,
    database: Annotated[Path, typer.Option(help="DuckDB file to write.")] = Path(
        "feature_repo/data/tickets.duckdb"
    ),
) -> None:
    """Generate support tickets with labels and duplicate pairs."""
    with progress("tickets", total=rows) as (bar, task):
        said = make_sample(database, rows, seed, lambda done: bar.advance(task, done))
    console.print(f"{said} in {database}", highlight=False)


if __name__ == "__main__":
    run(main)
