"""When rows happened and whose they are, as whole numbers that compare alike everywhere."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.moments import exact_moments
from embfeast.tricks.parts.past import DAY

# A moment that is not known comes before all others.
UNKNOWN = np.iinfo(np.int64).min

Moments = NDArray[np.int64]
Owners = NDArray[np.uint64]


@dataclass(frozen=True)
class Occasions:
    """When rows happened, whose they are, and who wrote them; None where that is not known.

    Entities, by the column that names them: a text's key says which text it is, and an entity may
    have many. `asked` tells the rows that are wanted from those that are there as their past.
    """

    times: Moments | None = None
    owners: Owners | None = None
    entities: Mapping[str, Owners] = field(default_factory=dict)
    asked: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, times: Any, keys: Any, count: int, entities: Any = None) -> "Occasions":
        """Return what is known of so many rows; entities are a mapping or table of columns."""
        columns = entities if entities is not None else {}
        names = getattr(columns, "column_names", columns)
        return cls(
            None if times is None else microseconds(times, count, "times"),
            None if keys is None else owners_of(keys, count),
            {str(name): entity_numbers(columns[name], count) for name in names},
        )

    def of_entity(self, column: str) -> Owners:
        """Return the entities of a column, for a trick that needs them and the times."""
        if column not in self.entities or self.times is None:
            given = "times" if column in self.entities else f"entities={{{column!r}: ...}}"
            raise EmbfeastError(
                f"an entity's history is read by its column {column!r} and the texts' times, which "
                "are not known here",
                f"give {given} of each text; what serves a text by itself cannot have it",
            )
        return self.entities[column]

    def take(self, rows: slice | NDArray[Any]) -> "Occasions":
        """Return some of the rows."""
        return Occasions(
            None if self.times is None else self.times[rows],
            None if self.owners is None else self.owners[rows],
            {name: numbers[rows] for name, numbers in self.entities.items()},
            None if self.asked is None else self.asked[rows],
        )


def microseconds(values: Any, count: int, name: str) -> Moments:
    """Return times as microseconds since 1970; a missing one as `UNKNOWN`.

    Examples
    --------
    >>> microseconds(["1970-01-01T00:00:01Z"], 1, "times").tolist()
    [1000000]
    """
    arrow = isinstance(values, pa.Array | pa.ChunkedArray)
    column = values if arrow or isinstance(values, pd.Series) else pd.Series(_listed(values))
    try:
        moments = exact_moments(column)
    except EmbfeastError as error:
        raise EmbfeastError(f"{name}: {error}") from error
    if len(moments) != count:
        raise ValueError(f"{name} has {len(moments)} values for {count} rows")
    numbers: Moments = moments.cast(pa.int64()).fill_null(UNKNOWN).to_numpy(zero_copy_only=False)
    return numbers


def moments_given(values: Any, count: int, name: str) -> Moments:
    """Return times that may not be given at all."""
    return np.full(count, UNKNOWN) if values is None else microseconds(values, count, name)


def later(moments: Moments, days: float) -> Moments:
    """Return moments so many days later."""
    return np.where(moments == UNKNOWN, UNKNOWN, moments + int(days * DAY))


def one_a_key(
    counts: Moments, happened: Moments, owners: Owners, rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return, of some rows, each key's whose label counts first; of several the newest."""
    rows = rows[np.lexsort((rows, -happened[rows], counts[rows], owners[rows]))]
    return rows[np.flatnonzero(np.diff(owners[rows], prepend=owners[rows][:1] + 1))]


def _listed(values: Any) -> Any:
    return values if isinstance(values, pd.DatetimeIndex | np.ndarray) else list(values)


def owners_of(keys: pa.Table | Sequence[Any], count: int) -> Owners:
    """Return a number for each row's key: the same for the same key in any table and on any day.

    Parameters
    ----------
    keys : pyarrow.Table or sequence
        A table of key columns, whatever their order; or one key a row.
    count : int
        Rows there have to be.

    Examples
    --------
    >>> one, two = owners_of([7, "7"], 2)
    >>> bool(one == two)
    True
    """
    if not isinstance(keys, pa.Table):
        keys = pa.table({"key": pa.array([str(key) for key in keys], pa.string())})
    if keys.num_rows != count:
        raise ValueError(f"keys has {keys.num_rows} values for {count} rows")
    columns = [keys[name].cast(pa.string()).to_pylist() for name in sorted(keys.column_names)]
    whole = ("\x1f".join(map(str, key)) for key in zip(*columns, strict=True))
    digests = b"".join(
        hashlib.sha256(key.encode(errors="surrogatepass")).digest()[:8] for key in whole
    )
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def entity_numbers(entities: Any, count: int) -> Owners:
    """Return a number for each entity; 0 where there is none.

    Examples
    --------
    >>> entity_numbers(["ann", None, 7], 3)[1]
    np.uint64(0)
    """
    listed = list(entities.to_pylist() if hasattr(entities, "to_pylist") else entities)
    numbers = owners_of(listed, count)
    missing = [one is None or one != one for one in listed]  # NaN
    return np.where(missing, np.uint64(0), numbers)
