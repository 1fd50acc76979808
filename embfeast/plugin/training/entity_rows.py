"""The rows of an entity frame: their times and keys, and every column as it was given."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from feast.errors import EntityTimestampInferenceException
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df

from embfeast.errors import EmbfeastError, first_line
from embfeast.moments import exact_moments
from embfeast.tables.as_of_join import Spine

EVENT = "event_timestamp"


@dataclass(frozen=True)
class EntityRows:
    """Rows that features are joined to.

    Attributes
    ----------
    rows : DataFrame or pyarrow.Table
        As they were given, with times in UTC.
    event : str
        Name of their time column.
    times : pyarrow.Array
    """

    rows: pd.DataFrame | pa.Table
    event: str
    times: pa.Array | pa.ChunkedArray

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        given = self.rows.column_names if isinstance(self.rows, pa.Table) else self.rows.columns
        return list(given)

    @property
    def spine(self) -> Spine:
        """Times, and every other column as a possible key."""
        keys = {name: self.rows[name] for name in self.names if name != self.event}
        return Spine(self.times, keys)

    def with_features(self, features: pa.Table) -> pa.Table:
        """Return columns and features as an Arrow table.

        Raises
        ------
        EmbfeastError
            A column holds values of several kinds, which Arrow cannot keep: the message names it.
        """
        return _beside(self.to_arrow(), features)

    def to_arrow(self) -> pa.Table:
        """Return the columns as an Arrow table."""
        return self.rows if isinstance(self.rows, pa.Table) else _to_arrow(self.rows)

    def beside(self, slices: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield columns and features as Arrow tables, of features that come in slices."""
        own, start = self.to_arrow(), 0
        for features in slices:
            rows = features.num_rows if features.num_columns else own.num_rows
            yield _beside(own.slice(start, rows), features)
            start += rows

    def frame_with_features(self, features: pa.Table) -> pd.DataFrame:
        """Return columns, just as they were given, and features as a frame."""
        if isinstance(self.rows, pa.Table):
            return self.with_features(features).to_pandas()
        made = features.to_pandas()
        made.index = self.rows.index
        return pd.concat([self.rows, made], axis=1) if features.num_columns else self.rows


def entity_rows(frame: pd.DataFrame | pa.Table, outputs: Iterable[str]) -> EntityRows:
    """Check an entity frame.

    Parameters
    ----------
    frame : DataFrame or pyarrow.Table
    outputs : iterable of str
        Names that features are going to have.

    Raises
    ------
    EmbfeastError
        It has no time column or rows without a time, or a column that is named twice or as a
        feature.
    """
    names = list(frame.column_names if isinstance(frame, pa.Table) else frame.columns)
    _check_names(names, set(outputs))
    try:
        event = infer_event_timestamp_from_entity_df(_kinds(frame))
    except EntityTimestampInferenceException as error:
        raise EmbfeastError(
            f"entity_df: it has no column {EVENT!r}; it has {', '.join(names)}"
        ) from error
    try:
        times = exact_moments(frame[event])
    except EmbfeastError as error:
        raise EmbfeastError(f"entity_df: column {event!r}: {error}") from error
    if times.null_count:
        raise EmbfeastError(
            f"entity_df: {times.null_count} rows have no {event!r}; drop them, or give them a time"
        )
    if isinstance(frame, pa.Table):
        return EntityRows(frame.set_column(names.index(event), event, times), event, times)
    rows = frame.reset_index(drop=True)
    return EntityRows(rows.assign(**{event: _in_utc(times)}), event, times)


def _beside(rows: pa.Table, features: pa.Table) -> pa.Table:
    for name in features.column_names:
        rows = rows.append_column(name, features[name])
    return rows


def _check_names(names: list[Any], outputs: set[str]) -> None:
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise EmbfeastError(f"entity_df: column {wrong[0]!r} has no name of text; rename it")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise EmbfeastError(f"entity_df: two columns are named {twice[0]!r}; rename one of them")
    if taken := sorted(outputs & set(names)):
        raise EmbfeastError(
            f"entity_df: its column {taken[0]!r} has the name of a feature that is asked for; "
            "rename the column, or ask with full_feature_names=True"
        )


def _kinds(frame: pd.DataFrame | pa.Table) -> dict[str, Any]:
    """Return the kinds of columns, of which Feast wants to know which are times."""
    if isinstance(frame, pd.DataFrame):
        return dict(frame.dtypes)
    time, other = np.dtype("datetime64[us]"), np.dtype(object)
    return {f.name: time if pa.types.is_timestamp(f.type) else other for f in frame.schema}


def _in_utc(times: pa.Array) -> pd.Series:
    return pd.Series(times.to_pandas(), dtype="datetime64[us, UTC]")


def _to_arrow(rows: pd.DataFrame) -> pa.Table:
    for name, column in rows.items():
        try:
            pa.array(column, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise EmbfeastError(
                f"entity_df: column {name!r} holds values that Arrow cannot keep together "
                f"({first_line(error)}); make them of one kind, or ask for to_df()"
            ) from error
    return pa.Table.from_pandas(rows, preserve_index=False)
