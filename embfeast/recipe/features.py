"""The columns that an entry makes: their names and types, and a matrix cut into them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embfeast.tricks.trick import Trick

# Features a person reads one by one stay scalars up to this many; more become one array, since a
# feature store pays for every value by itself.
MOST_SCALARS = 100

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Feature:
    """One output column.

    Attributes
    ----------
    name : str
    kind : {"float", "integer", "vector", "doubles"}
    width : int
        Numbers a row: 1, or the length of the vector.
    """

    name: str
    kind: Literal["float", "integer", "vector", "doubles"]
    width: int

    @property
    def arrow_type(self) -> pa.DataType:
        """float32, int64, list<float32> or list<double>."""
        kinds: dict[str, pa.DataType] = {
            "float": pa.float32(),
            "integer": pa.int64(),
            "vector": pa.list_(pa.float32()),
            "doubles": pa.list_(pa.float64()),
        }
        return kinds[self.kind]


def features_of(entry: str, prefix: str, trick: Trick, names: Sequence[str]) -> list[Feature]:
    """Return an entry's columns: one vector (of pairs always), or a scalar a name."""
    if not trick.scalars or trick.takes == "pair" or len(names) > MOST_SCALARS:
        return [Feature(prefix + entry, "vector", len(names))]
    return [
        Feature(prefix + name, "integer" if name in trick.whole_numbers else "float", 1)
        for name in names
    ]


def read_column(entry: str) -> str:
    """Return the name under which `FittedRecipe.apply` gives the vectors that an entry has read."""
    return f"embfeast_read_by_{entry}"


def lists(features: Sequence[Feature], matrix: Matrix) -> Iterator[tuple[str, list[Any]]]:
    """Yield each column as Python values."""
    for feature, values in _cut(features, matrix):
        yield (
            feature.name,
            (values.astype(np.int64) if feature.kind == "integer" else values).tolist(),
        )


def columns(
    features: Sequence[Feature], matrix: Matrix, present: NDArray[np.bool_]
) -> dict[str, Any]:
    """Return each column in Arrow, with nulls where a row is not present."""
    return {
        feature.name: _vectors(values, present)
        if feature.kind == "vector"
        else _scalars(values, present, feature.arrow_type)
        for feature, values in _cut(features, matrix)
    }


def _cut(features: Sequence[Feature], matrix: Matrix) -> Iterator[tuple[Feature, Matrix]]:
    if features[0].kind == "vector":
        yield features[0], matrix
    else:
        yield from zip(features, matrix.T, strict=True)


def _vectors(matrix: Matrix, present: NDArray[np.bool_]) -> Any:
    """Make a list column of which only the present rows have a vector."""
    width = matrix.shape[1]
    ends: Any = pa.array(np.concatenate([[0], np.cumsum(present * width)]).astype(np.int32))
    values = pa.array(np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1))
    return pa.ListArray.from_arrays(ends, values, mask=pa.array(~present))


def _scalars(values: Matrix, present: NDArray[np.bool_], kind: pa.DataType) -> Any:
    column = np.full(len(present), np.nan, dtype=np.float64)
    column[present] = values
    return pa.array(column, mask=~present | np.isnan(column)).cast(kind)
