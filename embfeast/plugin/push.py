"""Texts pushed as they happen: features offline and online at once, without a batch run.

A push writes the rows that the next materialization would write: same keys and times, same bits.
When the text later lies in the text database, its row is recognised as present. The push does not
store the text itself.
"""

import copy
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from feast import FeatureView
from feast.repo_config import RepoConfig

from embfeast.encoding import EmbeddingCache
from embfeast.errors import EmbfeastError
from embfeast.plugin import parts
from embfeast.plugin.compaction import compact
from embfeast.plugin.compute import RunCounts, feature_rows, joined_texts
from embfeast.plugin.compute_engine import engine_config, in_repo
from embfeast.plugin.feature_table import EVENT_TIME, FeatureTable, feature_table, is_served
from embfeast.plugin.live import check_text, serving_recipe
from embfeast.plugin.newest import newest_of_keys
from embfeast.plugin.online_write import write_online
from embfeast.plugin.source import DuckDBSource
from embfeast.plugin.table_lock import only_writer
from embfeast.recipe import FittedRecipe
from embfeast.recipe.fitted import is_missing


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
        The source's keys, times and text columns; others are not read. Naive times are UTC.
    online : bool, default True
        Write online too, where a view is served and no newer revision of the key is stored.

    Returns
    -------
    RunCounts

    Raises
    ------
    BusyError
        A run is writing the tables for longer than ``push_wait`` of the ``batch_engine``.
    EmbfeastError
        A column, key, time or text is not as the source has it; nothing is stored.
    """
    by_recipe: dict[str, list[FeatureView]] = defaultdict(list)
    for view in views:
        by_recipe[feature_table(view).digest].append(view)
    first = feature_table(views[0])
    settings = engine_config(config)
    chunk = read_frame(frame, first.source, first.source_keys, settings.longest_text)
    texts = joined_texts(chunk, first.source.text_columns)
    computed = 0
    for digest, own in by_recipe.items():
        fitted = _recipe(digest, settings.cache and in_repo(config, settings.cache))
        tables = {view.name: feature_table(view) for view in own}
        entries = sorted({table.entry for table in tables.values()}, key=fitted.entries.index)
        # Before the tables are locked: pushes compute side by side and write one after the other.
        features = fitted.transform(texts, entries=entries)
        rows = {name: feature_rows(chunk, features, of, fitted) for name, of in tables.items()}

        folders = [table.folder(config) for table in tables.values()]
        with only_writer(folders, wait=settings.push_wait), ThreadPoolExecutor() as pool:
            # Offline first, all views side by side: a write waits for the disk.
            written = pool.map(partial(_write, config), tables.values(), rows.values())
            computed = max(computed, *written)
            served = list(filter(is_served, own)) if online else []
            newest = pool.map(
                partial(_newest, config),
                (tables[view.name] for view in served),
                (rows[view.name] for view in served),
            )
            for view, table in zip(served, newest, strict=True):
                write_online(config, store, view, [table], table.num_rows)
            for folder in folders:
                compact(folder)
    return RunCounts(chunk.num_rows, computed, sum(map(is_missing, texts)))


def _write(config: RepoConfig, table: FeatureTable, rows: pa.Table) -> int:
    """Append the rows that a table lacks, as one part; return how many."""
    folder = table.folder(config)
    parts.ensure_table(folder, table.schema)
    lacking = parts.lacking_rows(folder, rows.select(table.identity), EVENT_TIME)
    if lacking.any():
        parts.write_part(folder, rows.filter(pa.array(lacking)))
    return int(lacking.sum())


def _newest(config: RepoConfig, table: FeatureTable, rows: pa.Table) -> pa.Table:
    return newest_of_keys(table.folder(config), table.keys, rows.select(table.identity))


@lru_cache(maxsize=8)
def _recipe(digest: str, cache: Path | None) -> FittedRecipe:
    """Return the recipe that serves new texts, with the cache: a refit encodes no text again."""
    fitted = copy.copy(serving_recipe(digest))
    fitted.encoder = fitted.encoder.with_cache(EmbeddingCache(cache) if cache else None)
    return fitted


def read_frame(
    frame: pd.DataFrame, source: DuckDBSource, keys: Sequence[str], longest_text: int
) -> pa.Table:
    """Return pushed rows as `DuckDBSource.read_texts` gives stored ones, each once.

    Parameters
    ----------
    frame : DataFrame
    source : DuckDBSource
        Whose names and rules hold.
    keys : sequence of str
    longest_text : int
        Most characters of a text.

    Raises
    ------
    EmbfeastError
        Names the column and the row that cannot be taken.
    """
    times = [source.timestamp_field]
    if source.created_timestamp_column:
        times.append(source.created_timestamp_column)
    needed = [*keys, *times, *source.text_columns]
    if lacking := [name for name in needed if name not in frame]:
        raise EmbfeastError(
            f"push to {source.name!r}: the rows lack {', '.join(lacking)}; they need "
            f"{', '.join(needed)}, and have {', '.join(map(str, frame.columns))}"
        )
    if not len(frame):
        raise EmbfeastError(f"push to {source.name!r}: there are no rows")
    frame = frame.reset_index(drop=True)
    columns = {key: _key(frame[key], source.name) for key in keys}
    columns |= {
        name: _moments(frame[name], source.name, required=name == source.timestamp_field)
        for name in times
    }
    columns |= {
        name: _texts(frame[name], source.name, longest_text) for name in source.text_columns
    }
    return _once(pa.table(columns), [*keys, *times], source.name)


def _key(column: pd.Series, source: str) -> pa.Array:
    _refuse_missing(column, source)
    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise EmbfeastError(f"push to {source!r}: key {column.name!r}: {error}") from error


def _moments(column: pd.Series, source: str, *, required: bool) -> pa.Array:
    if required:
        _refuse_missing(column, source)
    given = column.dropna()
    numbers = pd.api.types.is_numeric_dtype(column.dtype) and len(given)
    if numbers or given.map(lambda value: isinstance(value, int | float)).any():
        raise EmbfeastError(
            f"push to {source!r}: {column.name!r} holds numbers; give times, or text as ISO 8601 "
            "has it (2026-06-01T12:00:00Z)"
        )
    try:
        times = pd.to_datetime(column, utc=True, format="ISO8601").astype("datetime64[us, UTC]")
    except (ValueError, TypeError) as error:
        raise EmbfeastError(f"push to {source!r}: {column.name!r} holds no times: {error}") from (
            error
        )
    return pa.array(times, type=pa.timestamp("us", tz="UTC"))


def _refuse_missing(column: pd.Series, source: str) -> None:
    if column.isna().any():
        row = int(np.flatnonzero(column.isna())[0])
        raise EmbfeastError(f"push to {source!r}: row {row} has no {column.name!r}; give it one")


def _texts(column: pd.Series, source: str, longest: int) -> pa.Array:
    values = column.astype(object).where(column.notna(), None)
    made = []
    for row, text in enumerate(values):
        check_text(text, longest, f"push to {source!r}: row {row}: {column.name!r}")
        # Lone surrogates, which JSON can hold and no database: as the encoder reads them.
        made.append(text and text.encode(errors="replace").decode())
    return pa.array(made, type=pa.string())


def _once(table: pa.Table, identity: Sequence[str], source: str) -> pa.Table:
    """Take equal rows once, and refuse two texts of one key and time."""
    rows = table.to_pandas(timestamp_as_object=True).drop_duplicates()
    twice = rows.duplicated(list(identity))
    if twice.any():
        example = ", ".join(f"{name}={rows[twice][name].iloc[0]}" for name in identity)
        raise EmbfeastError(
            f"push to {source!r}: two texts have the same key and time ({example}); keep one of "
            "them, or give each revision its own time"
        )
    return table.take(pa.array(rows.index))
