"""What counts before each row of an entity, as one digest: equal ones mean equal histories."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embfeast.tables.columns import CREATED_TIME, EVENT_TIME
from embfeast.tricks.parts.occasions import Moments, Owners, entity_numbers, owners_of

# Of a text that is missing or blank, which is no part of a history.
BLANK = hashlib.sha256(b"").digest()
NOBODYS = bytes(len(BLANK))


@dataclass(frozen=True)
class Texts:
    """Texts by when they happened, whose they are, who wrote them, and what they say.

    Attributes
    ----------
    events, created : ndarray of int64
        Microseconds since 1970.
    owners, entities : ndarray of uint64
        Of a text's key, and of who wrote it; the latter is 0 where nobody is named.
    digests : list of bytes
        SHA-256 of each text.
    """

    events: Moments
    created: Moments
    owners: Owners
    entities: Owners
    digests: list[bytes]

    @classmethod
    def of(cls, rows: pa.Table, keys: Sequence[str], entities: Any, digests: Any) -> "Texts":
        """Return them of rows under the names and types of a feature table."""
        return cls(
            _microseconds(rows, EVENT_TIME),
            _microseconds(rows, CREATED_TIME),
            owners_of(rows.select(list(keys)), rows.num_rows),
            entity_numbers(entities, rows.num_rows),
            [digest[: len(BLANK)] for digest in digests.to_pylist()],
        )

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which texts are neither missing nor blank."""
        return np.array([digest != BLANK for digest in self.digests], dtype=bool)

    def past_digests(self) -> list[bytes]:
        """Return of each text a digest of who wrote it and of what counts before it.

        All other texts of its entity, and of the keys that these have, have to be among them.
        """
        made = [NOBODYS] * len(self.events)
        entities, rows = self.members()
        order = np.lexsort(
            (self.owners[rows], self.created[rows], self.events[rows], entities)
        ).tolist()
        of, row_of, own = entities.tolist(), rows.tolist(), self.entities.tolist()
        events, present = self.events.tolist(), self.present.tolist()
        said = list(map(_bytes, self.owners.tolist()))
        entity = moment = None
        state, now = b"", list[bytes]()
        for place in order:
            row = row_of[place]
            if of[place] != entity:
                entity, moment, now = of[place], None, []
                state = hashlib.sha256(_bytes(entity)).digest()
            if events[row] != moment:
                if now:
                    state = hashlib.sha256(b"".join([state, *now])).digest()
                moment, now = events[row], []
            if own[row] == entity:
                made[row] = state
            if present[row]:
                mine = b"\1" if own[row] == entity else b"\0"
                when = _bytes(events[row] & (2**64 - 1))
                now += [said[row], when, mine, self.digests[row]]
        return made

    def members(self) -> tuple[Owners, NDArray[np.int64]]:
        """Return entities and rows that matter to them: their own, and another's of their keys."""
        own = np.flatnonzero(self.entities)
        moved = list(self._moved())
        entities = [self.entities[own], np.array([one for one, _ in moved], dtype=np.uint64)]
        rows = [own, np.array([row for _, row in moved], dtype=np.int64)]
        return np.concatenate(entities), np.concatenate(rows)

    def digests_after(self, entities: Owners, moments: Moments) -> list[bytes]:
        """Return a digest of what counts of entities after all texts of moments."""
        count = len(moments)
        whole = Texts(  # blank texts of a moment later, each under a key of its own
            np.concatenate([self.events, moments + 1]),
            np.concatenate([self.created, np.zeros(count, dtype=np.int64)]),
            np.concatenate([self.owners, np.arange(1, count + 1, dtype=np.uint64)]),
            np.concatenate([self.entities, entities]),
            [*self.digests, *[BLANK] * count],
        )
        return whole.past_digests()[len(self.events) :]

    def known_after(self) -> dict[tuple[int, int], int]:
        """Return entities and moments of their texts, in order, and when all up to then was known.

        That is when the last of those texts was, which may be long after the moment.
        """
        of, rows = self.members()
        members = [of.tolist(), self.events[rows].tolist(), self.created[rows].tolist()]
        made: dict[tuple[int, int], int] = {}
        before = known = 0
        for entity, moment, created in sorted(zip(*members, strict=True)):
            known = max(known, created) if entity == before else created
            before, made[entity, moment] = entity, known
        return made

    def _moved(self) -> Iterator[tuple[int, int]]:
        """Yield each entity that a key had up to a revision which names another one."""
        order = np.lexsort((self.events, self.owners))
        owners, entities = self.owners[order], self.entities[order]
        differ = (owners[1:] == owners[:-1]) & (entities[1:] != entities[:-1])
        order = order[np.isin(owners, owners[1:][differ])]
        cuts = np.flatnonzero(np.diff(self.owners[order])) + 1
        for rows in np.split(order, cuts) if len(order) else []:
            for row in rows.tolist():
                until = rows[self.events[rows] <= self.events[row]]
                had = set(self.entities[until].tolist()) - {0, int(self.entities[row])}
                yield from ((entity, row) for entity in sorted(had))


def in_time(rows: pa.Table, keys: Sequence[str]) -> NDArray[np.int64]:
    """Return an order of rows in which the later one of two revisions of a moment comes later."""
    owners = owners_of(rows.select(list(keys)), rows.num_rows)
    return np.lexsort((owners, _microseconds(rows, CREATED_TIME), _microseconds(rows, EVENT_TIME)))


def past_column(entity: str) -> str:
    """Return the name of a chunk's column of digests of what the entities of a column wrote."""
    return f"embfeast_past_{entity}"


def _microseconds(rows: pa.Table, name: str) -> Moments:
    moments: Moments = rows[name].cast(pa.int64()).to_numpy()
    return moments


def _bytes(number: int) -> bytes:
    return number.to_bytes(8, "little")
