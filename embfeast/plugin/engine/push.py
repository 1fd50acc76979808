"""Texts pushed as they happen: features offline and online at once, without a batch run.

A push writes the rows that the next materialization would write: same keys and times, same bits.
When the text later lies in the text database, its row is recognised as present. The push does not
store the text itself.
"""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from numbers import Integral
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView
from feast.repo_config import RepoConfig

from embfeast.encoding import EmbeddingCache
from embfeast.errors import EmbfeastError
from embfeast.moments import exact_moments
from embfeast.plugin.engine.chunks import (
    RunCounts,
    counts_of,
    encode_work,
    identities,
    write_files,
)
from embfeast.plugin.engine.commit import Commit, Newest, Target
from embfeast.plugin.engine.entity_states import bring_states
from embfeast.plugin.engine.push_histories import write_histories
from embfeast.plugin.feature_table import (
    DIGEST_TAG,
    ENTITY_TAG,
    FeatureTable,
    feature_table,
    has_states,
)
from embfeast.plugin.live import check_text, serving_recipe
from embfeast.plugin.online.request import given_key
from embfeast.plugin.settings import RepositorySettings
from embfeast.plugin.source import DuckDBSource
from embfeast.recipe import FittedRecipe
from embfeast.tables.newest_rows import newest_of_keys
from embfeast.tables.place import Place
from embfeast.texts.forgotten import ForgottenKeys


def push_texts(
    config: RepoConfig,
    store: Any,
    views: Sequence[FeatureView],
    frame: pd.DataFrame,
    *,
    online: bool = True,
) -> RunCounts:
    """Compute the features of texts and write them offline, then online.

    Parameters
    ----------
    config : RepoConfig
    store : OnlineStore
    views : sequence of FeatureView
        Computed by recipes from one text source.
    frame : DataFrame
        The source's keys, times and text columns, by their own names or those of a field mapping;
        others are not read. Naive times are UTC.
    online : bool, default True
        Write online too, where a view is served and no newer revision of the key is stored.

    Returns
    -------
    RunCounts

    Raises
    ------
    BusyError
        Others write the tables without a pause.
    EmbfeastError
        A column, key, time or text is not as the source has it; nothing is stored.
    """
    by_recipe: dict[str, list[FeatureView]] = defaultdict(list)
    for view in views:
        by_recipe[view.tags[DIGEST_TAG]].append(view)
    tables = [feature_table(view, config) for view in views if not has_states(view)]
    first = tables[0]
    settings = RepositorySettings(config)
    kinds = [first.schema.field(key).type for key in first.keys]
    keys = dict(zip(first.source_keys, kinds, strict=True))
    entities = list(dict.fromkeys(table.entity for table in tables if table.entity))
    chunk = read_frame(frame, first.source, keys, settings.engine.longest_text, entities)
    _refuse_forgotten(config, chunk, first)
    counts = RunCounts(chunk.num_rows)
    for digest, own in by_recipe.items():
        fitted = _recipe(digest, settings.cache and settings.cache.folder)
        states = [view for view in own if has_states(view)]
        texts = [view for view in own if view not in states]
        for some, write in (
            ([view for view in texts if ENTITY_TAG not in view.tags], _write_offline),
            ([view for view in texts if ENTITY_TAG in view.tags], write_histories),
        ):
            if some:
                commit = Commit(config, some)
                done, written = write(commit, chunk, fitted)
                if online:
                    commit.serve(store, _newest(commit, written))
                commit.finish(settings.engine.kept_hours)
                counts = max(counts, done, key=lambda one: one.computed)
        for view in states:
            commit = Commit(config, [view])
            # As the history names them: the first view may be of a pair's other text.
            pushed = identities(chunk, first).select(list(first.keys))
            pushed = pushed.rename_columns(list(first.source_keys))
            brought = bring_states(commit, fitted, store if online else None, pushed)
            if online and brought.newest.num_rows:
                commit.serve(store, _newest(commit, dict.fromkeys(commit.tables, brought.newest)))
            commit.finish(settings.engine.kept_hours)
    return counts


def _refuse_forgotten(config: RepoConfig, chunk: pa.Table, table: FeatureTable) -> None:
    forgotten = ForgottenKeys(config.repo_path)
    if not forgotten.file.exists():
        return
    for row, key in enumerate(chunk.select(list(table.source_keys)).to_pylist()):
        if forgotten.holds(key):
            raise EmbfeastError(
                f"push to {table.source.name!r}: row {row} is of a key that was forgotten; nothing "
                "was stored",
                f"leave it out, or remove {forgotten.file} to let all such keys in again",
            )


def _write_offline(
    commit: Commit, chunk: pa.Table, fitted: FittedRecipe
) -> tuple[RunCounts, Mapping[Place, pa.Table]]:
    """Compute what the tables lack and add it, all views side by side.

    The keys and times of the rows are returned by table.
    """
    pushed = {place: identities(chunk, table) for place, table in commit.tables.items()}
    times = pc.min_max(chunk[commit.targets[0].table.source.timestamp_field]).as_py()
    with commit.lacking([chunk], times["min"], times["max"]) as found:
        work = next(found)
    if not work.rows.num_rows:
        return RunCounts(work.read), pushed
    features = fitted.apply(encode_work(work, commit.tables, fitted))
    write_files(
        work, features, commit.tables, fitted, lambda file: commit.appenders[file.place].add(file)
    )
    return counts_of(work, features), pushed


def _newest(commit: Commit, written: Mapping[Place, pa.Table]) -> Newest:
    """Find the newest rows of all views side by side."""

    def find(target: Target) -> pa.Table:
        rows = written[target.stored.place]
        return newest_of_keys(target.stored, target.table.keys, rows)

    with ThreadPoolExecutor() as pool:
        found = dict(zip(commit.tables, pool.map(find, commit.targets), strict=True))
    return lambda target: (found[target.stored.place].num_rows, [found[target.stored.place]])


@lru_cache(maxsize=8)
def _recipe(digest: str, cache: Path | None) -> FittedRecipe:
    """Return the recipe that serves new texts, with the cache: a refit encodes no text again."""
    fitted = copy.copy(serving_recipe(digest))
    fitted.encoder = fitted.encoder.with_cache(EmbeddingCache(cache) if cache else None)
    return fitted


def read_frame(
    frame: pd.DataFrame,
    source: DuckDBSource,
    keys: Mapping[str, pa.DataType],
    longest_text: int,
    entities: Sequence[str] = (),
) -> pa.Table:
    """Return pushed rows as `OpenedTexts.read` gives stored ones, each once.

    Parameters
    ----------
    frame : DataFrame
    source : DuckDBSource
        Whose names and rules hold.
    keys : mapping of DataType
        The type of each key column, as the views have it.
    longest_text : int
        Most characters of a text.
    entities : sequence of str, optional
        Columns that say who wrote a text.

    Raises
    ------
    EmbfeastError
        Names the column and the row that cannot be taken.
    """
    where = f"push to {source.name!r}"
    times: list[str] = [source.timestamp_field]
    if source.created_timestamp_column:
        times.append(source.created_timestamp_column)
    needed = [*keys, *times, *source.text_columns, *entities]
    frame = frame.rename(columns=source.field_mapping)
    if lacking := [name for name in needed if name not in frame]:
        raise EmbfeastError(
            f"{where}: the rows lack {', '.join(lacking)}; they need "
            f"{', '.join(needed)}, and have {', '.join(map(str, frame.columns))}"
        )
    if twice := [name for name in needed if list(frame.columns).count(name) > 1]:
        raise EmbfeastError(f"{where}: two columns are named {twice[0]!r}", "rename one of them")
    if not len(frame):
        raise EmbfeastError(f"{where}: there are no rows")
    frame = frame.reset_index(drop=True)
    columns = {key: _keys(frame[key], kind, where) for key, kind in keys.items()}
    columns |= {name: _moments(frame[name], where) for name in times}
    if columns[source.timestamp_field].null_count:
        row = columns[source.timestamp_field].is_null().index(True).as_py()
        raise EmbfeastError(f"{where}: row {row} has no {source.timestamp_field!r}", "give it one")
    columns |= {name: _texts(frame[name], where, longest_text) for name in source.text_columns}
    columns |= {name: _entities(frame[name], where) for name in entities}
    return _once(pa.table(columns), [*keys, *times], where)


def _keys(column: pd.Series, kind: pa.DataType, where: str) -> pa.Array:
    values = [
        given_key(value, kind, f"{where}: {column.name!r} of row {row}")
        for row, value in enumerate(column)
    ]
    return pa.array(values, kind)


def _moments(column: pd.Series, where: str) -> pa.Array:
    try:
        return exact_moments(column)
    except EmbfeastError as error:
        raise EmbfeastError(f"{where}: {column.name!r}: {error}") from error


def _texts(column: pd.Series, where: str, longest: int) -> pa.Array:
    values = column.astype(object).where(column.notna(), None)
    made = []
    for row, text in enumerate(values):
        check_text(text, longest, f"{where}: row {row}: {column.name!r}")
        # Lone surrogates, which JSON can hold and no database: as the encoder reads them.
        made.append(text and text.encode(errors="replace").decode())
    return pa.array(made, type=pa.string())


def _entities(column: pd.Series, where: str) -> pa.Array:
    """Return who wrote texts, as the source's whole numbers and texts are read."""
    made: list[str | None] = []
    for row, value in enumerate(column.astype(object).where(column.notna(), None)):
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        if whole is not None and (
            isinstance(whole, bool) or not isinstance(whole, str | Integral | UUID)
        ):
            raise EmbfeastError(
                f"{where}: row {row}: {column.name!r} is {type(value).__name__}, which says in "
                "several ways who wrote a text",
                "give a text, a whole number or null",
            )
        made.append(None if whole is None else str(whole))
    return pa.array(made, pa.string())


def _once(table: pa.Table, identity: Sequence[str], where: str) -> pa.Table:
    """Take equal rows once, and refuse two texts of one key and time."""
    rows = table.to_pandas(timestamp_as_object=True).drop_duplicates()
    twice = rows.duplicated(list(identity))
    if twice.any():
        example = ", ".join(f"{name}={rows[twice][name].iloc[0]}" for name in identity)
        raise EmbfeastError(
            f"{where}: two texts have the same key and time ({example})",
            "keep one of them, or give each revision its own time",
        )
    return table.take(pa.array(rows.index))
