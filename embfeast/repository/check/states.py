"""Whether states of entities are those that follow from what is stored of their texts."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
from feast import FeatureView
from numpy.typing import NDArray

from embfeast.plugin.engine.entity_states import EntityStates, compare
from embfeast.plugin.feature_table import FeatureTable, is_served
from embfeast.repository.check.finding import Finding
from embfeast.repository.check.matching import row_name
from embfeast.repository.check.online import Online
from embfeast.repository.check.recipe import open_applied
from embfeast.repository.check.recomputed import Recomputed
from embfeast.repository.check.stored import check_stored
from embfeast.repository.repository import Repository
from embfeast.tables.table import Table


def check_states(
    repository: Repository, view: FeatureView, sample: int | None, seed: int
) -> Iterator[Finding]:
    """Check a view of states: its files, its rows, a sample of their values, and what is online.

    Whether the texts are those of the source is said of the view that it follows.
    """
    table = repository.table(view)
    fitted, recipe = open_applied(repository, table.digest)
    yield replace(recipe, view=view.name)
    stored = Table.find(table.place)
    files, *others = check_stored(table, stored)
    yield from (files, *others)
    history = Table.find(table.history) if table.history else None
    if stored is None or history is None or fitted is None or not files.ok:
        return
    states = EntityStates(history, table, fitted)
    yield _rows(states, stored, table)
    chosen = _sample(states.wanted.num_rows, sample, seed)
    recomputed = Recomputed(stored, table, fitted)
    for _, rows in states.rows(chosen):
        recomputed.compare(rows)
    yield from recomputed.findings()
    if is_served(view) and len(chosen):
        online = Online(repository.store, view, stored, table)
        online.compare(states.wanted.take(pa.array(chosen)).select(table.identity))
        yield from online.findings()


def _rows(states: EntityStates, stored: Table, table: FeatureTable) -> Finding:
    lacking, changed, gone = compare(stored, table, states)
    count = states.wanted.num_rows
    if not len(lacking) and not gone.num_rows:
        return Finding(
            "texts", "ok", f"{count:,} states, each of the texts stored", view=table.view
        )
    rows, row = (states.wanted, int(lacking[0])) if len(lacking) else (gone, 0)
    found = (
        f"of {count:,} states {len(lacking) - len(changed):,} are lacking, {len(changed):,} are of "
        f"other texts, and {gone.num_rows:,} are of texts that are gone "
        f"({row_name(rows, row, table)})"
    )
    return Finding("texts", "broken", found, "run `embfeast materialize`", table.view)


def _sample(rows: int, sample: int | None, seed: int) -> NDArray[np.int64]:
    if sample is None or rows <= sample:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, sample, replace=False))
