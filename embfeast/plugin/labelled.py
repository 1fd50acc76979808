"""Texts with what a model is to predict of them: from the table itself, or from a file beside it.

Which of a text's revisions a label belongs to is decided here, once: the newest one that was known
when the label was. So nothing is learned from a text that was rewritten after its outcome.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd

from embfeast.errors import EmbfeastError
from embfeast.plugin.compute import joined_texts
from embfeast.plugin.database import literal, open_text_database, quote
from embfeast.plugin.source import MOMENT, DuckDBSource

READERS = {".csv": "read_csv", ".tsv": "read_csv", ".parquet": "read_parquet"}


def texts_and_labels(
    source: DuckDBSource,
    repo: Path,
    labels: pd.DataFrame | None = None,
    *,
    label_column: str | None = None,
) -> pd.DataFrame:
    """Return one text a labelled key.

    Parameters
    ----------
    source : DuckDBSource
        With `key_columns`.
    repo : Path
        The feature repository.
    labels : DataFrame, optional
        Key columns, ``label``, and, where it is known, ``known_at``; by default the table's own
        (see `own_labels`).
    label_column : str, optional
        Of the table, in the place of the source's `label_column`.

    Returns
    -------
    DataFrame
        The key columns, ``text`` (str or None), ``label``, and ``time``, the text's event time in
        UTC; in order of time. Of a text's revisions it is the newest that was known at the label's
        ``known_at``, or the first one where no such time or no such revision is known. Labels
        of keys without a text are left out.

    Raises
    ------
    EmbfeastError
        There are no labels, they do not fit the source's keys, or none has a text.
    """
    if labels is None:
        labels = own_labels(source, repo, label_column)
    keys = keys_of(source)
    check_labels(labels, keys)
    columns = ", ".join(f"texts.{quote(name)}" for name in [*keys, *source.text_columns])
    time, known = _moment(source.timestamp_field), _known(source)
    sql = f"""
        SELECT {columns}, {time} AS embfeast_time, labels.label AS embfeast_label
        FROM {source.get_table_query_string()} AS texts
        JOIN labels ON {" AND ".join(_same(key) for key in keys)}
        WHERE labels.label IS NOT NULL AND {time} IS NOT NULL
        QUALIFY row_number() OVER (
            PARTITION BY {_by(keys)}
            ORDER BY coalesce({known} <= labels.known_at, false) DESC,
                     CASE WHEN {known} <= labels.known_at THEN {time} END DESC NULLS LAST,
                     CASE WHEN {known} <= labels.known_at THEN {known} END DESC NULLS LAST,
                     {time}, {known}
        ) = 1
        ORDER BY embfeast_time, {_by(keys)}
    """  # noqa: S608 - names are quoted
    given = labels[[*keys, "label"]].assign(known_at=_times(labels))
    with open_text_database(source.path(repo)) as connection:
        connection.register("labels", given)
        try:
            rows = connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise EmbfeastError(
                f"labels do not fit source {source.name!r}: {str(error).splitlines()[0]}"
            ) from error
    if not rows.num_rows:
        raise EmbfeastError(
            f"none of the {len(labels):,} labels has a text in source {source.name!r}; compare "
            f"their {', '.join(keys)} with the table's"
        )
    found: pd.DataFrame = rows.select(keys).to_pandas()
    found["text"] = joined_texts(rows, source.text_columns)
    found["label"] = rows["embfeast_label"].to_pandas().to_numpy()
    found["time"] = rows["embfeast_time"].to_pandas()
    return found


def own_labels(source: DuckDBSource, repo: Path, column: str | None = None) -> pd.DataFrame:
    """Return the labels that the table of texts has itself, one a key.

    A key's label is that of its first row that has one; it was known when that row was.

    Parameters
    ----------
    source : DuckDBSource
    repo : Path
    column : str, optional
        The source's `label_column` by default.

    Returns
    -------
    DataFrame
        The key columns, ``label`` and ``known_at`` (UTC).

    Raises
    ------
    EmbfeastError
        The source names no label, or has no such column.
    """
    column = column or source.label_column
    if not column:
        raise EmbfeastError(
            f"source {source.name!r} names no label; set label_column=... on it, or give a file "
            "of keys and labels (--labels)"
        )
    keys = keys_of(source)
    types = source.column_types(repo)
    if column not in types:
        raise EmbfeastError(
            f"source {source.name!r} has no label column {column!r}; it has {', '.join(types)}"
        )
    sql = f"""
        SELECT {_by(keys)}, texts.{quote(column)} AS label, {_known(source)} AS known_at
        FROM {source.get_table_query_string()} AS texts
        WHERE texts.{quote(column)} IS NOT NULL
        QUALIFY row_number() OVER (
            PARTITION BY {_by(keys)}
            ORDER BY {_known(source)}, {_moment(source.timestamp_field)}
        ) = 1
        ORDER BY {_by(keys)}
    """  # noqa: S608 - names are quoted
    with open_text_database(source.path(repo)) as connection:
        found: pd.DataFrame = connection.sql(sql).df()
    if found.empty:
        raise EmbfeastError(f"source {source.name!r}: {column!r} is null in every row")
    return found


def read_labels(file: Path, keys: Sequence[str]) -> pd.DataFrame:
    """Read a file of labels.

    Parameters
    ----------
    file : Path
        CSV or Parquet with the key columns, ``label`` and, where it is known, ``known_at``.
    keys : sequence of str

    Returns
    -------
    DataFrame

    Raises
    ------
    EmbfeastError
        The file cannot be read or lacks a column, or a key has two labels.
    """
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise EmbfeastError(f"{file}: labels are read from {', '.join(READERS)}")
    try:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            sql = f"SELECT * FROM {reader}({literal(str(file))})"  # noqa: S608 - quoted
            found: pd.DataFrame = connection.sql(sql).df()
    except duckdb.Error as error:
        raise EmbfeastError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error
    check_labels(found, keys)
    return found


def check_labels(labels: pd.DataFrame, keys: Sequence[str]) -> None:
    """Refuse labels that lack a column, or have a key twice.

    Raises
    ------
    EmbfeastError
    """
    if lacking := [name for name in [*keys, "label"] if name not in labels]:
        raise EmbfeastError(f"labels lack {', '.join(lacking)}; they have {', '.join(labels)}")
    if twice := int(labels.duplicated(list(keys)).sum()):
        raise EmbfeastError(f"labels have {twice} keys twice; keep one label a key")


def keys_of(source: DuckDBSource) -> list[str]:
    """Return a source's key columns.

    Raises
    ------
    EmbfeastError
        It names none.
    """
    if not source.key_columns:
        raise EmbfeastError(
            f"source {source.name!r} does not say whose texts it holds; set key_columns=... on it"
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


def _known(source: DuckDBSource) -> str:
    """Return when a row was known; one that does not say so was known when it became true."""
    event = _moment(source.timestamp_field)
    if not source.created_timestamp_column:
        return event
    return f"greatest({event}, {_moment(source.created_timestamp_column)})"
