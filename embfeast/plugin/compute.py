"""One chunk of texts to the parts of all views: computed once, written where rows are missing."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.plugin import parts
from embfeast.plugin.feature_table import CREATED_TIME, EVENT_TIME, FeatureTable
from embfeast.plugin.stored_rows import StoredRows
from embfeast.recipe import FittedRecipe
from embfeast.recipe.fitted import Encoded, is_missing


@dataclass
class RunCounts:
    """What a run has done.

    Attributes
    ----------
    rows : int
        Texts read, every revision.
    computed : int
        Of those, texts that were not in the feature tables yet.
    missing : int
        Of the computed, missing or blank texts, which have null features.
    """

    rows: int = 0
    computed: int = 0
    missing: int = 0

    def __add__(self, other: "RunCounts") -> "RunCounts":
        """Add up two chunks."""
        return RunCounts(
            self.rows + other.rows, self.computed + other.computed, self.missing + other.missing
        )

    def __str__(self) -> str:
        known = self.rows - self.computed
        return (
            f"{self.rows:,} texts read, {self.computed:,} computed, {known:,} were there already, "
            f"{self.missing:,} missing or blank (null features)"
        )


@dataclass(frozen=True)
class Work:
    """What is left to do of a chunk.

    Attributes
    ----------
    read : int
        Texts of the chunk.
    rows : pyarrow.Table
        Those that a table lacks.
    lacking : dict from a table's folder to ndarray of shape (rows,), bool
        Which of them it lacks.
    """

    read: int
    rows: pa.Table
    lacking: dict[Path, NDArray[np.bool_]]


def joined_work(chunks: Sequence[Work]) -> Work:
    """Return several chunks' work as one."""
    return Work(
        sum(chunk.read for chunk in chunks),
        pa.concat_tables([chunk.rows for chunk in chunks]),
        {
            folder: np.concatenate([chunk.lacking[folder] for chunk in chunks])
            for folder in chunks[0].lacking
        },
    )


def work_left(
    chunk: pa.Table, tables: Mapping[Path, FeatureTable], stored: Mapping[Path, StoredRows]
) -> Work:
    """Find the rows of a chunk that a table lacks.

    Parameters
    ----------
    chunk : pyarrow.Table
        As `DuckDBSource.read_texts` yields it.
    tables : mapping from the folder of its parts to the table
        All of one recipe and one source.
    stored : mapping from the same folders to StoredRows
        What the tables have already.
    """
    lacking = {
        folder: stored[folder].lacking(identities(chunk, table)) for folder, table in tables.items()
    }
    rows = np.flatnonzero(np.logical_or.reduce(list(lacking.values())))
    own = {folder: mask[rows] for folder, mask in lacking.items()}
    return Work(chunk.num_rows, chunk.take(rows), own)


def compute_work(
    work: Work, tables: Mapping[Path, FeatureTable], fitted: FittedRecipe
) -> RunCounts:
    """Compute the rows that are lacking, at least one, and write them as one part a table."""
    features = fitted.apply(encode_work(work, tables, fitted))
    write_parts(work, features, tables, fitted)
    return counts_of(work, features)


def encode_work(
    work: Work,
    tables: Mapping[Path, FeatureTable],
    fitted: FittedRecipe,
    progress: Callable[[int], Any] | None = None,
) -> Encoded:
    """Encode the rows that are lacking.

    Parameters
    ----------
    work : Work
    tables : mapping from the folder of its parts to the table
    fitted : FittedRecipe
    progress : callable, optional
        Called with the number of texts encoded since the last call.
    """
    source = next(iter(tables.values())).source
    texts = joined_texts(work.rows, source.text_columns)
    entries = sorted({table.entry for table in tables.values()}, key=fitted.entries.index)
    return fitted.encode(texts, entries=entries, progress=progress)


def counts_of(work: Work, features: pa.Table) -> RunCounts:
    """Count what was done of a chunk; a missing text is one of null features."""
    return RunCounts(work.read, work.rows.num_rows, features.column(0).null_count)


def write_parts(
    work: Work,
    features: pa.Table,
    tables: Mapping[Path, FeatureTable],
    fitted: FittedRecipe,
) -> None:
    """Write computed rows as one part a table.

    Parameters
    ----------
    work : Work
    features : pyarrow.Table
        Of the rows of the work.
    tables : mapping from the folder of its parts to the table
    fitted : FittedRecipe
    """

    def write(folder: Path) -> None:
        lacking = work.lacking[folder]
        if not lacking.any():
            return
        part = feature_rows(work.rows, features, tables[folder], fitted)
        parts.write_part(folder, part if lacking.all() else part.filter(pa.array(lacking)))

    # Packing floats takes longer than reading them; more at a time would only take more memory.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, tables))


def joined_texts(chunk: pa.Table, columns: tuple[str, ...]) -> list[str | None]:
    r"""Return one text a row: its columns, those that are there, on lines of their own.

    Examples
    --------
    >>> chunk = pa.table({"subject": ["Late", None, None], "body": ["Where is it?", "Help", None]})
    >>> joined_texts(chunk, ("subject", "body"))
    ['Late\nWhere is it?', 'Help', None]
    """
    rows = zip(*(chunk[column].to_pylist() for column in columns), strict=True)
    said = ([text for text in row if not is_missing(text)] for row in rows)
    return ["\n".join(row) if row else None for row in said]


def identities(chunk: pa.Table, table: FeatureTable) -> pa.Table:
    """Return keys and times under the table's names and types."""
    source = table.source
    created = source.created_timestamp_column or source.timestamp_field
    columns = {
        key: _cast(chunk[own], table.schema.field(key), table)
        for own, key in zip(table.source_keys, table.keys, strict=True)
    }
    columns[EVENT_TIME] = chunk[source.timestamp_field].cast(table.schema.field(EVENT_TIME).type)
    # A row that does not say when it was known was known when it became true.
    known = pc.coalesce(chunk[created], chunk[source.timestamp_field])
    columns[CREATED_TIME] = known.cast(table.schema.field(CREATED_TIME).type)
    return pa.table(columns)


def _cast(column: pa.ChunkedArray, field: pa.Field, table: FeatureTable) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except pa.ArrowInvalid as error:
        raise EmbfeastError(
            f"view {table.view!r}: key {field.name!r} is {column.type} in source "
            f"{table.source.name!r} and {field.type} in the view ({error}); give the entity the "
            "value type that the column has"
        ) from error


def feature_rows(
    chunk: pa.Table, features: pa.Table, table: FeatureTable, fitted: FittedRecipe
) -> pa.Table:
    """Return the rows of a feature table that a chunk's features make.

    Parameters
    ----------
    chunk : pyarrow.Table
        Texts with keys and times.
    features : pyarrow.Table
        As `FittedRecipe.transform` gives them, a row a text.
    table : FeatureTable
    fitted : FittedRecipe

    Returns
    -------
    pyarrow.Table
        With the columns of the table.
    """
    columns = identities(chunk, table)
    for feature in fitted.features(table.entry):
        columns = columns.append_column(table.prefix + feature.name, features[feature.name])
    digest = pa.array([table.digest] * chunk.num_rows)
    columns = columns.append_column(table.digest_column, digest)
    return columns.select(table.schema.names).cast(table.schema)
