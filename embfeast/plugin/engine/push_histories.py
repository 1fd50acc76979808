"""Pushed texts of entities: compared with what was stored of these, and later rows mended.

A push does not read the texts: the rows that an entity has in the table hold their vectors. So its
numbers are those of the next materialization where the table is up to date, and are mended by it
where it is not.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embfeast.plugin.engine.chunks import RunCounts, encode_rows, identities, with_text_digests
from embfeast.plugin.engine.commit import Commit, Target
from embfeast.plugin.engine.pasts import Texts, in_time
from embfeast.plugin.feature_table import FeatureTable
from embfeast.recipe import FittedRecipe
from embfeast.recipe.features import columns, read_column
from embfeast.tables.append import MOST_ROUNDS, Appender, BusyError
from embfeast.tables.columns import ENTITY, ENTITY_VECTOR, TEXT_DIGEST
from embfeast.tables.place import Place
from embfeast.tables.table import Table
from embfeast.texts.database import quote
from embfeast.tricks.parts.occasions import owners_of


def write_histories(
    commit: Commit, chunk: pa.Table, fitted: FittedRecipe
) -> tuple[RunCounts, Mapping[Place, pa.Table]]:
    """Write pushed texts into tables of what entities wrote before.

    Parameters
    ----------
    commit : Commit
        Of such tables alone.
    chunk : pyarrow.Table
        Of texts, as `read_frame` gives them.
    fitted : FittedRecipe

    Returns
    -------
    RunCounts, and dict from a table's place to pyarrow.Table
        What was done, and the keys and times of the pushed rows and of those that were mended.
    """
    counts, written = RunCounts(chunk.num_rows), {}
    for target in commit.targets:
        place = target.stored.place
        done, written[place] = _write(target, commit.appenders[place], chunk, fitted)
        counts = max(counts, done, key=lambda one: one.computed)
    return counts, written


def _write(
    target: Target, appender: Appender, chunk: pa.Table, fitted: FittedRecipe
) -> tuple[RunCounts, pa.Table]:
    table = target.table
    pushed = _pushed(chunk, table, fitted)
    counts, written = RunCounts(chunk.num_rows), pushed.select(table.identity)
    # Once more after each commit: others may have written of the same entities meanwhile, and who
    # comes last sees all of it.
    for _ in range(MOST_ROUNDS):
        rows, changed = _lacking(target.stored, table, pushed, fitted)
        if not rows.num_rows:
            return counts, written
        missing = rows[ENTITY_VECTOR].null_count
        counts += RunCounts(0, rows.num_rows, missing, int(changed.sum()))
        appender.replace(rows.filter(pa.array(changed)))
        appender.append(rows)
        written = pa.concat_tables([written, rows.select(table.identity)])
    raise BusyError(
        f"view {table.view!r}: others wrote texts of the same entities {MOST_ROUNDS} times while "
        "they were compared; the pushed rows are stored",
        "push again",
    )


def _pushed(chunk: pa.Table, table: FeatureTable, fitted: FittedRecipe) -> pa.Table:
    """Return pushed rows as the table knows its own: whose they are, and their vectors."""
    chunk = with_text_digests(chunk, table.source.text_columns)
    encoded = replace(
        encode_rows(chunk, None, [table], fitted), asked=np.arange(chunk.num_rows, dtype=np.int64)
    )
    vectors = fitted.apply(encoded)[read_column(table.entry)]
    rows = identities(chunk, table)
    return (
        rows.append_column(TEXT_DIGEST, chunk[TEXT_DIGEST])
        .append_column(ENTITY, chunk[str(table.entity)])
        .append_column(ENTITY_VECTOR, vectors)
    )


def _lacking(
    stored: Table, table: FeatureTable, pushed: pa.Table, fitted: FittedRecipe
) -> tuple[pa.Table, NDArray[np.bool_]]:
    """Return the rows that a table is to get, and which of them it has of another text or past."""
    known, entities = _of_entities(stored, table, pushed)
    own, numbers = _numbers(pushed, table), _numbers(known, table)
    digests = dict(zip(numbers.tolist(), known[TEXT_DIGEST].to_pylist(), strict=True))
    others = known.filter(pa.array(~np.isin(numbers, own)))
    rows = pa.concat_tables([others, pushed.cast(others.schema)])
    texts = Texts.of(rows, table.keys, rows[ENTITY], rows[TEXT_DIGEST])
    now = [text + past for text, past in zip(texts.digests, texts.past_digests(), strict=True)]
    before = [digests.get(number) for number in _numbers(rows, table).tolist()]
    theirs = np.array([one in entities for one in rows[ENTITY].to_pylist()], dtype=bool)
    theirs[others.num_rows :] = True
    differ = np.array([a != b for a, b in zip(now, before, strict=True)], dtype=bool)
    lacking = np.flatnonzero(theirs & differ)
    changed = np.array([before[row] is not None for row in lacking], dtype=bool)
    made = _features(rows, texts, lacking, table, fitted)
    digest = pa.array([now[row] for row in lacking], pa.binary())
    whole = rows.take(pa.array(lacking)).set_column(
        rows.column_names.index(TEXT_DIGEST), TEXT_DIGEST, digest
    )
    for name, column in made.items():
        whole = whole.append_column(name, column)
    recipe = pa.array([table.digest] * len(lacking), pa.string())
    whole = whole.append_column(table.digest_column, recipe)
    schema = table.stored_schema
    return whole.select(schema.names).cast(schema), changed


def _of_entities(stored: Table, table: FeatureTable, pushed: pa.Table) -> tuple[pa.Table, set[str]]:
    """Return the rows that bear on entities of pushed rows, and who these are.

    Those that a pushed key had before, whose text it is no more, are among them.
    """
    keys = ", ".join(map(quote, table.keys))
    had = stored.query(
        f"SELECT DISTINCT {ENTITY} FROM {stored.scan()} t SEMI JOIN pushed USING ({keys}) "
        f"UNION SELECT DISTINCT {ENTITY} FROM pushed",
        pushed=pushed.select([*table.keys, ENTITY]),
    )
    entities = {str(one) for one in had[ENTITY].drop_null().to_pylist()}
    known = ", ".join([*map(quote, table.identity), TEXT_DIGEST, ENTITY, ENTITY_VECTOR])
    rows = stored.query(
        f"SELECT {known} FROM {stored.scan()} SEMI JOIN ("
        f"SELECT {keys} FROM {stored.scan()} t SEMI JOIN had USING ({ENTITY}) "
        f"UNION SELECT {keys} FROM pushed) USING ({keys}) WHERE {TEXT_DIGEST} IS NOT NULL",
        had=had.filter(had[ENTITY].is_valid()),
        pushed=pushed.select([*table.keys]),
    )
    names = [*table.identity, TEXT_DIGEST, ENTITY, ENTITY_VECTOR]
    schema = pa.schema([table.stored_schema.field(name) for name in names])
    return rows.cast(schema), entities


def _numbers(rows: pa.Table, table: FeatureTable) -> NDArray[np.uint64]:
    return owners_of(rows.select(table.identity), rows.num_rows)


def _features(
    rows: pa.Table,
    texts: Texts,
    wanted: NDArray[np.int64],
    table: FeatureTable,
    fitted: FittedRecipe,
) -> dict[str, pa.Array]:
    """Return the features of some of the rows among all of them."""
    present = texts.present
    order = in_time(rows, table.keys)
    order = order[present[order]]
    vectors: Any = rows[ENTITY_VECTOR].take(pa.array(order)).combine_chunks()
    features = fitted.features(table.entry)
    if not len(order):
        made = np.empty((0, len(fitted.output_names(table.entry))), dtype=np.float32)
    else:
        made = fitted.tricks[table.entry].transform_checked(
            vectors.flatten().to_numpy().reshape(len(order), -1),
            times=texts.events[order],
            owners=texts.owners[order],
            entities=texts.entities[order],
            asked=np.isin(order, wanted),
        )
    places = np.full(rows.num_rows, -1)
    places[order] = np.arange(len(order))
    return columns(features, made[places[wanted[present[wanted]]]], present[wanted])
