"""States of entities after each moment of their texts: rows of a view of the entities' own key.

They follow from the table of what these wrote before alone: it holds who wrote each text, and its
vector. So runs, pushes and repairs all end with one call, and what they write is the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.plugin.engine.commit import AGAIN, Commit
from embfeast.plugin.engine.pasts import BLANK, Texts, in_time
from embfeast.plugin.feature_table import FeatureTable, is_served
from embfeast.plugin.online.write import erase_online
from embfeast.recipe import FittedRecipe
from embfeast.recipe.entity_states import state_columns
from embfeast.tables.append import MOST_ROUNDS, BusyError
from embfeast.tables.columns import (
    CREATED_TIME,
    ENTITY,
    ENTITY_VECTOR,
    EVENT_TIME,
    MOMENT,
    TEXT_DIGEST,
)
from embfeast.tables.place import Place
from embfeast.tables.rewrite import delete_keys
from embfeast.tables.table import Table
from embfeast.texts.database import quote

# Texts whose vectors are in memory at a time, but for those of one entity with more.
TEXTS_AT_ONCE = 20_000


class EntityStates:
    """The states that follow from one version of a table of what entities wrote before.

    Parameters
    ----------
    history : Table
    table : FeatureTable
        Of the states.
    fitted : FittedRecipe
    entities : pyarrow.Table, optional
        A column of those that matter; all by default.

    Attributes
    ----------
    wanted : pyarrow.Table
        Keys, times and digests of all rows that the table of the states is to have.
    """

    def __init__(
        self,
        history: Table,
        table: FeatureTable,
        fitted: FittedRecipe,
        entities: pa.Table | None = None,
    ) -> None:
        self._history, self._table, self._fitted = history, table, fitted
        self._keys = history_keys(history)
        rows = self._read(entities)
        texts = self._texts(rows)
        names = dict(zip(texts.entities.tolist(), rows[ENTITY].to_pylist(), strict=True))
        some = None if entities is None else set(entities[ENTITY].to_pylist())
        known = texts.known_after()
        chosen = [one for one in known if some is None or names.get(one[0]) in some]
        self._of = np.array([one for one, _ in chosen], dtype=np.uint64)
        self._at = np.array([at for _, at in chosen], dtype=np.int64)
        self._entities = pa.array([names.get(one) for one, _ in chosen], pa.string())
        created = pa.array([known[one] for one in chosen], pa.int64())
        self.wanted = pa.table(
            {
                table.keys[0]: as_keys(self._entities, table),
                EVENT_TIME: pa.array(self._at).cast(MOMENT),
                CREATED_TIME: created.cast(MOMENT),
                TEXT_DIGEST: pa.array(texts.digests_after(self._of, self._at), pa.binary()),
            }
        )

    @property
    def newest(self) -> pa.Table:
        """Keys and times of the newest wanted row of each entity."""
        ends = np.flatnonzero(self._of != np.append(self._of[1:], 0))
        return self.wanted.take(pa.array(ends)).select(self._table.identity)

    def rows(self, wanted: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], pa.Table]]:
        """Yield some of the wanted rows with their features, and which ones they are.

        They come an entity after the other, so many at a time as memory allows.
        """
        for some in self._blocks(wanted):
            own = pc.unique(self._entities.take(pa.array(some)))
            yield some, self._made(some, self._read(pa.table({ENTITY: own}), ENTITY_VECTOR))

    def _blocks(self, wanted: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Cut rows, which are in order of their entities, between two of these."""
        _, first, moments = np.unique(self._of, return_index=True, return_counts=True)
        sizes = dict(zip(self._of[first].tolist(), moments.tolist(), strict=True))
        starts = np.flatnonzero(np.diff(self._of[wanted])) + 1
        block: list[NDArray[np.int64]] = []
        texts = 0
        for own in np.split(wanted, starts) if len(wanted) else []:
            size = sizes[int(self._of[own[0]])]
            if block and texts + size > TEXTS_AT_ONCE:
                yield np.concatenate(block)
                block, texts = [], 0
            block.append(own)
            texts += size
        if block:
            yield np.concatenate(block)

    def _made(self, some: NDArray[np.int64], rows: pa.Table) -> pa.Table:
        rows = rows.take(pa.array(in_time(rows, self._keys)))
        texts = self._texts(rows)
        vectors: Any = rows[ENTITY_VECTOR].combine_chunks()
        states = self._fitted.tricks[self._table.entry].states_checked(
            vectors.flatten().to_numpy().reshape(rows.num_rows, -1),
            texts.events,
            texts.owners,
            texts.entities,
            self._at[some],
            self._of[some],
        )
        made = self.wanted.take(pa.array(some))
        for name, column in state_columns(self._fitted, self._table.entry, states).items():
            made = made.append_column(name, column)
        digest = pa.array([self._table.digest] * len(some), pa.string())
        made = made.append_column(self._table.digest_column, digest)
        schema = self._table.stored_schema
        return made.select(schema.names).cast(schema)

    def _texts(self, rows: pa.Table) -> Texts:
        return Texts.of(rows, self._keys, rows[ENTITY], rows[TEXT_DIGEST])

    def _read(self, entities: pa.Table | None, *more: str) -> pa.Table:
        """Read the texts that bear on entities: those of the keys that they ever had."""
        keys = ", ".join(map(quote, self._keys))
        names = [*self._keys, EVENT_TIME, CREATED_TIME, TEXT_DIGEST, ENTITY, *more]
        scan, given, own = self._history.scan(), {}, ""
        if entities is not None:
            given = {"entities": entities}
            own = f"SEMI JOIN (SELECT {keys} FROM {scan} SEMI JOIN entities USING ({ENTITY})) "
            own += f"USING ({keys})"
        rows = self._history.query(
            f"SELECT {', '.join(map(quote, names))} FROM {scan} {own} "
            f"WHERE {TEXT_DIGEST}[1:{len(BLANK)}] <> $blank",
            {"blank": BLANK},
            **given,
        )
        return rows.cast(pa.schema([self._history.schema.field(name) for name in names]))


@dataclass(frozen=True)
class Brought:
    """What `bring_states` leaves to be served.

    Attributes
    ----------
    first : datetime or None
        The first moment of which a row was written.
    newest : pyarrow.Table
        Keys and times of the newest row of each entity that mattered.
    """

    first: datetime | None
    newest: pa.Table


def bring_states(
    commit: Commit, fitted: FittedRecipe, store: Any, keys: pa.Table | None = None
) -> Brought:
    """Bring the table of a view of states up to date.

    Parameters
    ----------
    commit : Commit
        Of that view alone.
    fitted : FittedRecipe
    store : OnlineStore, optional
        Where rows that have no text any more are removed too; None to leave it as it is.
    keys : pyarrow.Table, optional
        Of texts: the entities that have or had them are all that matter. By default all do.

    Raises
    ------
    BusyError
        Others take out or replace texts without a pause.
    EmbfeastError
        Who wrote a text is no key of the view's type.
    """
    (target,) = commit.targets
    table, first, again = target.table, None, AGAIN.get() and keys is None
    appender = commit.appenders[target.stored.place]
    some, newest = keys, list[pa.Table]()
    for _ in range(MOST_ROUNDS):
        # Before the texts, which are written before their states: what none is of is gone then.
        stored = target.stored.reload()
        history = Table.open(_place_of_history(table))
        known = set(history.files)
        entities = None if some is None else entities_of(history, some)
        states = EntityStates(history, table, fitted, entities)
        lacking, changed, gone = compare(stored, table, states, entities)
        if again:
            lacking = changed = np.arange(states.wanted.num_rows)
            again = False
        for rows, made in states.rows(lacking):
            appender.replace(made.filter(pa.array(np.isin(rows, changed))))
            appender.append(made)
        if gone.num_rows:
            _take_out(commit, store, gone, states.newest)
        if len(lacking):
            written = pc.min(states.wanted[EVENT_TIME].take(pa.array(lacking))).as_py()
            first = min(first or written, written)
        newest.append(states.newest)
        # Others may have written of the same entities meanwhile, and who comes last sees all of it:
        # of rows that were added their own, and all where rows may have been taken out.
        now = set(history.reload().files)
        if now == known:
            return Brought(first, pa.concat_tables(newest))
        some = _keys_in(history, sorted(now - known)) if known <= now else keys
    raise BusyError(
        f"view {table.view!r}: others changed what entities wrote {MOST_ROUNDS} times while states "
        "were computed; what was written before is stored",
        "try again",
    )


def compare(
    stored: Table, table: FeatureTable, states: EntityStates, entities: pa.Table | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], pa.Table]:
    """Compare a table with the states that it is to have, of some entities or of all.

    Returns
    -------
    lacking, changed : ndarray of int64
        Rows of `states.wanted` that it has not got as they are, and those that it has otherwise.
    gone : pyarrow.Table
        Keys and times of its rows that are none of them.
    """
    names = ", ".join(map(quote, table.identity))
    own, given = "", dict[str, pa.Table]()
    if entities is not None:
        own = f"SEMI JOIN entities USING ({quote(table.keys[0])})"
        given["entities"] = pa.table({table.keys[0]: as_keys(entities[ENTITY], table)})
    wanted = states.wanted.append_column("row", pa.array(range(states.wanted.num_rows), pa.int64()))
    scan = f"(SELECT {names}, {TEXT_DIGEST} FROM {stored.scan()} {own})"
    given["wanted"] = wanted
    lacking = stored.query(
        f"SELECT row, s.{TEXT_DIGEST} IS NOT NULL AS changed FROM wanted w "
        f"LEFT JOIN {scan} s USING ({names}) "
        f"WHERE s.{TEXT_DIGEST} IS DISTINCT FROM w.{TEXT_DIGEST} ORDER BY row",
        None,
        **given,
    )
    gone = stored.query(
        f"SELECT {names} FROM {scan} s ANTI JOIN wanted USING ({names})", None, **given
    )
    rows: NDArray[np.int64] = lacking["row"].to_numpy()
    schema = pa.schema([table.stored_schema.field(name) for name in table.identity])
    return rows, rows[lacking["changed"].to_numpy()], gone.cast(schema)


def entities_of(history: Table, keys: pa.Table) -> pa.Table:
    """Return the entities that keys of texts have, and had."""
    names = ", ".join(map(quote, keys.column_names))
    return history.query(
        f"SELECT DISTINCT {ENTITY} FROM {history.scan()} SEMI JOIN keys USING ({names}) "
        f"WHERE {ENTITY} IS NOT NULL",
        keys=keys,
    )


def history_keys(history: Table) -> list[str]:
    """Return the keys of a table: its columns before the times."""
    names = history.schema.names
    return names[: names.index(EVENT_TIME)]


def as_keys(entities: Any, table: FeatureTable) -> Any:
    """Return who wrote texts under the type of a view's key."""
    kind = table.schema.field(table.keys[0]).type
    where = f"view {table.view!r}: key {table.keys[0]!r} is {kind}"
    try:
        keys = entities.cast(kind)
    except pa.ArrowInvalid as error:
        raise EmbfeastError(
            f"{where}, and the texts have others ({error})",
            "give the entity the value type STRING",
        ) from error
    same = pc.equal(keys.cast(entities.type), entities)
    if not pc.all(same, min_count=0).as_py():  # '03' and '3' would be one key
        text = entities[pc.index(same, False).as_py()].as_py()
        raise EmbfeastError(
            f"{where}, and {text!r:.60} is not just a number",
            "give the entity the value type STRING",
        )
    return keys


def _keys_in(history: Table, files: list[str]) -> pa.Table:
    names = ", ".join(map(quote, history_keys(history)))
    return history.query(f"SELECT DISTINCT {names} FROM {history.scan(files)}")


def _place_of_history(table: FeatureTable) -> Place:
    if table.history is None:
        raise EmbfeastError(
            f"view {table.view!r} has no table of what entities wrote before",
            "make it with embfeast.plugin.history_views",
        )
    return table.history


def _take_out(commit: Commit, store: Any, gone: pa.Table, newest: pa.Table) -> None:
    """Take rows out whose moment has no text any more; entities without others leave the store."""
    (target,) = commit.targets
    keys = list(target.table.keys)
    of = gone.select(keys).group_by(keys).aggregate([])
    # Online first: what is stopped in between is found gone, and taken out, by the next run.
    if store is not None and is_served(target.view):
        wanted = newest.join(of, keys, join_type="left semi")
        rest = _stored_rows(target.stored, target.table, wanted)
        without = of.join(rest.select(keys), keys, join_type="left anti")
        erase_online(commit.config, store, target.view, without)
        commit.serve(store, lambda _: (rest.num_rows, [rest] if rest.num_rows else []))
    delete_keys(target.stored, gone)


def _stored_rows(stored: Table, table: FeatureTable, wanted: pa.Table) -> pa.Table:
    """Return the rows of keys and times, as they go online."""
    names = ", ".join(map(quote, table.identity))
    columns = ", ".join(map(quote, stored.columns))
    rows = stored.query(
        f"SELECT {columns} FROM {stored.scan()} SEMI JOIN wanted USING ({names})", wanted=wanted
    )
    return rows.cast(pa.schema([stored.schema.field(name) for name in stored.columns]))
