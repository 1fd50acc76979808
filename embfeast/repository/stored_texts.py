"""Texts of stored rows, read back from their source as it is now: no model is asked."""

import warnings
from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa
from feast import FeatureService

from embfeast.errors import EmbfeastError, first_line
from embfeast.plugin.feature_table import FeatureTable, has_states, is_ours
from embfeast.repository.online_lookup import service_for, stored_views, typed_value
from embfeast.repository.repository import Repository
from embfeast.tables.columns import EVENT_TIME
from embfeast.texts.column_types import moment
from embfeast.texts.database import quote
from embfeast.texts.opened import joined_texts

# Columns of the rows that are asked for: no source has any of that name.
OURS = "embfeast_key_"
TIME, PLACE = "embfeast_time", "embfeast_place"


def texts_of_rows(repository: Repository, view: str, rows: pa.Table) -> list[str | None]:
    """Return the text of each row of a view, None where the source has not got it any more.

    Parameters
    ----------
    repository : Repository
    view : str
        A view of embfeast.
    rows : pyarrow.Table
        The view's keys and ``event_timestamp``, as `similar_texts` returns them.

    Raises
    ------
    EmbfeastError
        The source cannot be read, say on a machine that only serves.
    """
    found = next(one for one in repository.text_views if one.name == view)
    return _read(repository, repository.table(found), rows)


def texts_of_key(
    repository: Repository, key: Mapping[str, Any], service: str | None = None
) -> dict[str, str | None]:
    """Return the texts that a lookup by key speaks of.

    Parameters
    ----------
    repository : Repository
    key : mapping
    service : str, optional
        As for `lookup`.

    Returns
    -------
    dict
        By the prefix of the key's columns: ``""``, and for a pair's other text ``"other_"``. None
        where the source has not got the text any more.

    Raises
    ------
    EmbfeastError
        As `texts_of_rows`.
    """
    store = repository.store
    row = {name: typed_value(store, name, value) for name, value in key.items()}
    texts = {}
    for table in _tables(repository, service_for(store, set(key), service)):
        own = {name: row[name] for name in table.keys}
        schema = pa.schema([table.schema.field(name) for name in (*own, EVENT_TIME)])
        wanted = own | {EVENT_TIME: _event_time(repository, table, own)}
        texts[table.prefix] = _read(repository, table, pa.Table.from_pylist([wanted], schema))[0]
    return dict(sorted(texts.items()))


def _tables(repository: Repository, service: FeatureService) -> list[FeatureTable]:
    """Return one feature table of a service for each prefix, whose tables are of one text."""
    views = stored_views(repository.store, service)
    stored = [view for view in views if is_ours(view) and not has_states(view)]
    return list({table.prefix: table for table in map(repository.table, stored)}.values())


def _event_time(repository: Repository, table: FeatureTable, key: Mapping[str, Any]) -> int:
    """Return when the text that is online became true, in microseconds since 1970."""
    column = table.digest_column
    answer = repository.store.get_online_features([f"{table.view}:{column}"], [dict(key)]).proto
    place = list(answer.metadata.feature_names.val).index(column)
    return int(answer.results[place].event_timestamps[0].ToMicroseconds())


def _read(repository: Repository, table: FeatureTable, rows: pa.Table) -> list[str | None]:
    """Return the texts of rows that have the table's keys and event times."""
    given = {f"{OURS}{i}": rows[key] for i, key in enumerate(table.keys)}
    same = [
        f"{name} = texts.{quote(own)}" for name, own in zip(given, table.source_keys, strict=True)
    ]
    wanted = pa.table({**given, TIME: rows[EVENT_TIME], PLACE: range(rows.num_rows)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is to be said of the source was said by the fit
        with table.source.open(repository.folder, table.source_keys) as opened:
            texts = opened.columns.texts
            event, *created = map(moment, opened.columns.times)
            newest = f"PARTITION BY {PLACE} ORDER BY {(created or [event])[0]} DESC"
            opened.connection.register("wanted", wanted)
            sql = (
                f"SELECT {PLACE}, {', '.join(map(quote, texts))} FROM wanted "
                f"JOIN {opened.rows} AS texts ON {TIME} = {event} AND {' AND '.join(same)} "
                f"QUALIFY row_number() OVER ({newest}) = 1"
            )
            try:
                found = opened.connection.sql(sql).to_arrow_table()
            except duckdb.Error as error:
                raise EmbfeastError(f"{opened.name}: {first_line(error)}") from error
    read = dict(zip(found[PLACE].to_pylist(), joined_texts(found, texts), strict=True))
    return [read[row] or "" if row in read else None for row in range(rows.num_rows)]
