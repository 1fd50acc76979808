"""Texts with what a model is to predict of them: from the table itself, or from a file beside it.

Which of a text's revisions a label belongs to is decided here, once: the newest one that was known
when the label was. So nothing is learned from a text that was rewritten after its outcome.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd

from embfeast.errors import EmbfeastError, first_line
from embfeast.plugin.source import DuckDBSource
from embfeast.texts.column_types import MOMENT, check_column, check_label_columns
from embfeast.texts.database import literal, quote
from embfeast.texts.opened import Columns, OpenedTexts, joined_texts

READERS = {".csv": "read_csv", ".tsv": "read_csv", ".parquet": "read_parquet"}


def texts_and_labels(
    source: DuckDBSource,
    repo: Path | str,
    labels: pd.DataFrame | None = None,
    *,
    label_column: str | None = None,
    group_column: str | None = None,
) -> pd.DataFrame:
    """Return one text a labelled key.

    Parameters
    ----------
    source : DuckDBSource
        With `key_columns`.
    repo : Path or str
        The feature repository.
    labels : DataFrame, optional
        Key columns, ``label``, and, where it is known, ``known_at``; by default the table's own
        (see `own_labels`).
    label_column : str, optional
        Of the table, in the place of the source's `label_column`.
    group_column : str, optional
        Of the table: whose text it is.

    Returns
    -------
    DataFrame
        The key columns, ``text`` (str or None), ``label``, and ``time``, the text's event time in
        UTC; in order of time; ``group`` where one is named. Of a text's revisions it is the newest
        that was known at the label's ``known_at``, or the first one where no such time or no such
        revision is known. Labels of keys without a text are left out.

    Raises
    ------
    EmbfeastError
        There are no labels, they do not fit the source's keys, or none has a text.
    """
    keys = keys_of(source)
    with source.open(repo, keys) as texts:
        if labels is None:
            column = label_column or source.label_column
            labels = own_labels(texts, column, source.label_known_column)
        check_labels(labels, keys)
        if group_column:
            check_column(texts.name, texts.types, "group", group_column)
        return _joined(texts, labels, group_column)


def _joined(texts: OpenedTexts, labels: pd.DataFrame, group: str | None) -> pd.DataFrame:
    keys = list(texts.columns.keys)
    columns = ", ".join(f"texts.{quote(name)}" for name in [*keys, *texts.columns.texts])
    time, created = _moment(texts.columns.event), _created(texts.columns)
    if group:
        columns += f", texts.{quote(group)} AS embfeast_group"
    sql = f"""
        SELECT {columns}, {time} AS embfeast_time, labels.label AS embfeast_label
        FROM {texts.rows} AS texts
        JOIN labels ON {" AND ".join(_same(key) for key in keys)}
        WHERE labels.label IS NOT NULL AND {time} IS NOT NULL
        QUALIFY row_number() OVER (
            PARTITION BY {_by(keys)}
            ORDER BY coalesce({created} <= labels.known_at, false) DESC,
                     CASE WHEN {created} <= labels.known_at THEN {time} END DESC NULLS LAST,
                     CASE WHEN {created} <= labels.known_at THEN {created} END DESC NULLS LAST,
                     {time}, {created}
        ) = 1
        ORDER BY embfeast_time, {_by(keys)}
    """
    given = labels[[*keys, "label"]].assign(known_at=_times(labels))
    texts.connection.register("labels", given)
    try:
        rows = texts.connection.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        raise EmbfeastError(f"labels do not fit {texts.name}: {first_line(error)}") from error
    if not rows.num_rows:
        raise EmbfeastError(
            f"none of the {len(labels):,} labels has a text in {texts.name}",
            f"compare their {', '.join(keys)} with the table's",
        )
    found: pd.DataFrame = rows.select(keys).to_pandas()
    found["text"] = joined_texts(rows, texts.columns.texts)
    found["label"] = rows["embfeast_label"].to_pandas().to_numpy()
    found["time"] = rows["embfeast_time"].to_pandas()
    if group:
        found["group"] = rows["embfeast_group"].to_pandas()
    return found


def own_labels(
    texts: OpenedTexts, column: str | None, known_column: str | None = None
) -> pd.DataFrame:
    """Return the labels that the table of texts has itself, one a key.

    A key's label is that of its first row that has one; it was known when that row was, or later
    where a column says so.
    """
    if not column:
        raise EmbfeastError(
            f"{texts.name} names no label",
            "set label_column=... on it, or give a file of keys and labels (--labels)",
        )
    check_label_columns(texts.name, texts.types, column, known_column)
    keys = texts.columns.keys
    created, event = _created(texts.columns), _moment(texts.columns.event)
    known = f"greatest({created}, {_moment(known_column)})" if known_column else created
    sql = f"""
        SELECT {_by(keys)}, texts.{quote(column)} AS label, {known} AS known_at
        FROM {texts.rows} AS texts
        WHERE texts.{quote(column)} IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY {_by(keys)} ORDER BY {created}, {event}) = 1
        ORDER BY {_by(keys)}
    """
    found: pd.DataFrame = texts.connection.sql(sql).df()
    if found.empty:
        raise EmbfeastError(f"{texts.name}: {column!r} is null in every row")
    return found


def read_labels(file: Path, keys: Sequence[str]) -> pd.DataFrame:
    """Read labels from a CSV or Parquet file of key columns, ``label`` and perhaps ``known_at``.

    A column that lacks and a key with two labels are refused.
    """
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise EmbfeastError(f"{file}: labels are read from {', '.join(READERS)}")
    try:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            sql = f"SELECT * FROM {reader}({literal(str(file))})"
            found: pd.DataFrame = connection.sql(sql).df()
    except duckdb.Error as error:
        raise EmbfeastError(f"{file} cannot be read: {first_line(error)}") from error
    check_labels(found, keys)
    return found


def check_labels(labels: pd.DataFrame, keys: Sequence[str]) -> None:
    """Refuse labels that lack a column, or have a key twice."""
    if lacking := [name for name in [*keys, "label"] if name not in labels]:
        known = ", ".join(map(str, labels.columns))
        raise EmbfeastError(f"labels lack {', '.join(lacking)}", f"they have {known}")
    if twice := int(labels.duplicated(list(keys)).sum()):
        raise EmbfeastError(f"labels have {twice} keys twice", "keep one label a key")


def keys_of(source: DuckDBSource) -> list[str]:
    """Return a source's key columns."""
    if not source.key_columns:
        raise EmbfeastError(
            f"source {source.name!r} does not say whose texts it holds",
            "set key_columns=... on it",
        )
    return list(source.key_columns)


def _times(labels: pd.DataFrame) -> pd.Series:
    given = labels["known_at"] if "known_at" in labels else pd.Series(pd.NaT, index=labels.index)
    try:
        return pd.to_datetime(given, utc=True).astype("datetime64[us, UTC]")
    except ValueError as error:
        raise EmbfeastError(f"labels: known_at holds what is no time: {error}") from error


def _by(keys: Sequence[str]) -> str:
    return ", ".join(f"texts.{quote(key)}" for key in keys)


def _same(key: str) -> str:
    """Compare as text: a file's reader may take a number for what the table keeps as text."""
    return f"CAST(texts.{quote(key)} AS VARCHAR) = CAST(labels.{quote(key)} AS VARCHAR)"


def _moment(column: str) -> str:
    return f"CAST(texts.{quote(column)} AS {MOMENT})"


def _created(columns: Columns) -> str:
    """Return when a row was known; one that does not say so was known when it became true."""
    event = _moment(columns.event)
    return f"greatest({event}, {_moment(columns.created)})" if columns.created else event
