"""One chunk of texts to files of all views: computed once, written where rows are missing."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace
from operator import add
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.plugin.engine.pasts import in_time, past_column
from embfeast.plugin.feature_table import FeatureTable
from embfeast.recipe import FittedRecipe
from embfeast.recipe.encoded import Encoded
from embfeast.recipe.features import read_column
from embfeast.tables.columns import (
    CREATED_TIME,
    ENTITY,
    ENTITY_VECTOR,
    EVENT_TIME,
    TEXT_DIGEST,
)
from embfeast.tables.files import DataFile, write_file
from embfeast.tables.place import Place
from embfeast.tables.present_rows import PresentRows
from embfeast.texts.database import quote
from embfeast.texts.opened import joined_texts


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
    changed : int
        Of the computed, texts that were changed in place since: their rows were replaced.
    gone : int
        Rows of the period whose text the source has not got.
    """

    rows: int = 0
    computed: int = 0
    missing: int = 0
    changed: int = 0
    gone: int = 0

    def __add__(self, other: "RunCounts") -> "RunCounts":
        """Add up two chunks."""
        return RunCounts(*map(add, astuple(self), astuple(other)))

    def __str__(self) -> str:
        known = self.rows - self.computed
        said = (
            f"{self.rows:,} texts read, {self.computed:,} computed, {known:,} were there already, "
            f"{self.missing:,} missing or blank (null features)"
        )
        if self.changed:
            said += f", {self.changed:,} changed since they were computed"
        if self.gone:
            said += (
                f"; {self.gone:,} rows of texts that are gone from the source, which `embfeast "
                "materialize --drop-missing` removes"
            )
        return said


@dataclass(frozen=True)
class Work:
    """What is left to do of a chunk.

    Attributes
    ----------
    read : int
        Texts of the chunk.
    rows : pyarrow.Table
        Those that a table lacks.
    lacking : dict from a table's place to ndarray of shape (rows,), bool
        Which of them it lacks.
    changed : dict from a table's place to ndarray of shape (rows,), bool
        Which of those it has of another text.
    past : pyarrow.Table, optional
        What the rows are compared with, where features depend on what the same entity wrote.
    """

    read: int
    rows: pa.Table
    lacking: dict[Place, NDArray[np.bool_]]
    changed: dict[Place, NDArray[np.bool_]]
    past: pa.Table | None = None


def joined_work(chunks: Sequence[Work]) -> Work:
    """Return several chunks' work as one."""

    def joined(masks: list[dict[Place, NDArray[np.bool_]]]) -> dict[Place, NDArray[np.bool_]]:
        return {place: np.concatenate([mask[place] for mask in masks]) for place in masks[0]}

    return Work(
        sum(chunk.read for chunk in chunks),
        pa.concat_tables([chunk.rows for chunk in chunks]),
        joined([chunk.lacking for chunk in chunks]),
        joined([chunk.changed for chunk in chunks]),
    )


def work_left(
    chunk: pa.Table,
    tables: Mapping[Place, FeatureTable],
    present: Mapping[Place, PresentRows],
    *,
    again: bool = False,
) -> Work:
    """Find the rows of a chunk, as `OpenedTexts.read` yields it, that a table lacks.

    All tables are of one recipe and one source. With `again` all its rows are to be computed.
    """
    chunk = with_text_digests(chunk, next(iter(tables.values())).source.text_columns)
    compared = {
        place: present[place].compare(identities(chunk, table)) for place, table in tables.items()
    }
    return work_of(chunk, compared, again=again)


def work_of(
    chunk: pa.Table,
    compared: Mapping[Place, tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    *,
    again: bool = False,
) -> Work:
    """Keep of a chunk, with its texts' digests, what `PresentRows.compare` says is to be done."""
    lacking = {place: absent | changed | again for place, (absent, changed) in compared.items()}
    rows = np.flatnonzero(np.logical_or.reduce(list(lacking.values())))
    return Work(
        chunk.num_rows,
        chunk.take(rows),
        {place: mask[rows] for place, mask in lacking.items()},
        {place: changed[rows] for place, (_, changed) in compared.items()},
    )


def outdated_rows(
    work: Work, tables: Mapping[Place, FeatureTable], *, again: bool = False
) -> dict[Place, pa.Table]:
    """Return keys and times of the rows whose place the work's rows take, by table."""
    every = np.ones(work.rows.num_rows, dtype=bool)
    gone = {place: every if again else changed for place, changed in work.changed.items()}
    return {
        place: identities(work.rows.filter(pa.array(mask)), tables[place])
        for place, mask in gone.items()
        if mask.any()
    }


def encode_work(
    work: Work,
    tables: Mapping[Place, FeatureTable],
    fitted: FittedRecipe,
    progress: Callable[[int], Any] | None = None,
) -> Encoded:
    """Encode the rows that are lacking.

    Parameters
    ----------
    work : Work
    tables : mapping from its place to the table
    fitted : FittedRecipe
    progress : callable, optional
        Called with the number of texts encoded since the last call.
    """
    return encode_rows(work.rows, work.past, list(tables.values()), fitted, progress)


def encode_rows(
    rows: pa.Table,
    past: pa.Table | None,
    tables: Sequence[FeatureTable],
    fitted: FittedRecipe,
    progress: Callable[[int], Any] | None = None,
) -> Encoded:
    """Encode rows of texts, and what those of entities wrote before, where that is known."""
    asked, advance = None, progress
    if past is not None:
        rows = pa.concat_tables([past, rows.select(past.column_names)]).unify_dictionaries()
        entity = next(table for table in tables if table.entity)
        advance = None
        order = in_time(identities(rows, entity), entity.keys)
        asked = np.argsort(order)[past.num_rows :]
        rows = rows.take(pa.array(order))
    texts = joined_texts(rows, tables[0].source.text_columns)
    entries = sorted({table.entry for table in tables}, key=fitted.entries.index)
    encoded = fitted.encode(
        texts,
        entries=entries,
        times=rows[tables[0].source.timestamp_field],
        keys=rows.select(list(tables[0].source_keys)),
        entities={one.entity: rows[one.entity] for one in tables if one.entity},
        progress=advance,
    )
    encoded = replace(encoded, asked=asked)
    if progress and advance is None:
        progress(encoded.wanted)
    return encoded


def counts_of(work: Work, features: pa.Table) -> RunCounts:
    """Count what was done of a chunk; a missing text is one of null features."""
    changed = int(np.logical_or.reduce(list(work.changed.values())).sum())
    return RunCounts(work.read, work.rows.num_rows, features.column(0).null_count, changed)


def write_files(
    work: Work,
    features: pa.Table,
    tables: Mapping[Place, FeatureTable],
    fitted: FittedRecipe,
    then: Callable[[DataFile], Any],
) -> list[Any]:
    """Write computed rows as one file a table, each where rows are lacking; return what follows.

    Parameters
    ----------
    work : Work
    features : pyarrow.Table
        Of the rows of the work.
    tables : mapping from its place to the table
    fitted : FittedRecipe
    then : callable
        Called with each file; what it returns is returned.
    """

    def write(place: Place) -> Any:
        rows = feature_rows(work.rows, features, tables[place], fitted)
        lacking = work.lacking[place]
        return then(write_file(place, rows if lacking.all() else rows.filter(pa.array(lacking))))

    # Packing floats takes longer than reading them; more at a time would only take more memory. A
    # worker of a cluster has told Arrow how many cores it may use.
    with ThreadPoolExecutor(pa.cpu_count()) as pool:
        return list(pool.map(write, [place for place in tables if work.lacking[place].any()]))


def with_text_digests(chunk: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Add the digest of each row's text; a missing one is as an empty one."""
    texts = joined_texts(chunk, columns)
    digests = [hashlib.sha256((text or "").encode()).digest() for text in texts]
    return chunk.append_column(TEXT_DIGEST, pa.array(digests, pa.binary()))


def identities(chunk: pa.Table, table: FeatureTable) -> pa.Table:
    """Return keys and times under the table's names and types, and the text's digest if known."""
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
    if TEXT_DIGEST in chunk.column_names:
        columns[TEXT_DIGEST] = chunk[TEXT_DIGEST]
    if table.entity and TEXT_DIGEST in columns:
        past = past_column(table.entity)
        if past in chunk.column_names:
            both = [columns[TEXT_DIGEST], chunk[past]]
            columns[TEXT_DIGEST] = pc.binary_join_element_wise(*both, b"")
        else:  # a row of another past is another row, and that one is not known
            del columns[TEXT_DIGEST]
    return pa.table(columns)


def _cast(column: pa.ChunkedArray, field: pa.Field, table: FeatureTable) -> pa.ChunkedArray:
    where = f"view {table.view!r}: key {field.name!r}"
    remedy = "give the entity the value type that the column has"
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        keys = column.cast(field.type)
    except pa.ArrowInvalid as error:
        raise EmbfeastError(
            f"{where} is {column.type} in source {table.source.name!r} and {field.type} in the "
            f"view ({error})",
            remedy,
        ) from error
    if pa.types.is_string(column.type) and not pa.types.is_string(field.type):
        same = pc.equal(keys.cast(column.type), column)
        if not pc.all(same).as_py():  # '03' and '3' would be one key
            text = column[pc.index(same, False).as_py()].as_py()
            raise EmbfeastError(f"{where} is text, and {text!r:.60} not just a number", remedy)
    if pa.types.is_string(field.type) and _has_fractions(column.type):
        name = quote(field.name.removeprefix(table.prefix))
        raise EmbfeastError(
            f"{where} is {column.type} in source {table.source.name!r}, whose text can be written "
            "in several ways",
            f"give the source a query with CAST({name} AS VARCHAR) AS {name}",
        )
    return keys


def _has_fractions(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or (pa.types.is_decimal(kind) and kind.scale))


def feature_rows(
    chunk: pa.Table, features: pa.Table, table: FeatureTable, fitted: FittedRecipe
) -> pa.Table:
    """Return the rows of a feature table that a chunk's features make.

    Parameters
    ----------
    chunk : pyarrow.Table
        Texts with keys and times, and the texts' digests where rows are to be stored.
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
    schema = table.stored_schema if TEXT_DIGEST in columns.column_names else table.schema
    if table.entity:
        columns = columns.append_column(ENTITY, chunk[table.entity])
        columns = columns.append_column(ENTITY_VECTOR, features[read_column(table.entry)])
    return columns.select(schema.names).cast(schema)
