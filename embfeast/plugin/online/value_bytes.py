"""Feast's protobuf values as bytes, column by column: what every online store keeps."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast.protos.feast.types.Value_pb2 import DoubleList, FloatList, Value
from feast.type_map import python_values_to_proto_values
from numpy.typing import NDArray

# A value of one float is its field's tag and four bytes.
FLOAT_TAG = Value(float_val=1.0).SerializeToString()[:-4]
VALUE_WIDTH = len(FLOAT_TAG) + 4


def value_bytes(column: pa.ChunkedArray, kind: Any) -> list[bytes]:
    """Return each cell as a serialized `Value` of a `feast.ValueType`; a null is an empty one.

    Chunks are joined first: converting only one would lose rows.

    >>> from feast import ValueType
    >>> column = pa.chunked_array([pa.array([0.5, None], pa.float32())])
    >>> cells = value_bytes(column, ValueType.FLOAT)
    >>> Value.FromString(cells[0]).float_val, cells[1]
    (0.5, b'')
    """
    cells = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_float32(cells.type):
        return _floats(cells)
    if pa.types.is_list(cells.type) and cells.type.value_type in (pa.float32(), pa.float64()):
        return _vectors(cells)
    return _others(cells, kind)


def value_texts(column: pa.ChunkedArray) -> list[str | None]:
    """Return single values as text, which SQL stores keep for searches; vectors have none."""
    if pa.types.is_list(column.type):
        return [None] * len(column)
    if pa.types.is_float32(column.type):
        texts: list[str | None] = float_texts(column.combine_chunks()).to_pylist()
        return texts
    return [None if cell is None else str(cell) for cell in column.to_pylist()]


def list_texts(column: pa.ChunkedArray) -> list[str | None]:
    """Return lists of numbers as text, which pgvector reads; what is no list has none.

    >>> list_texts(pa.chunked_array([pa.array([[0.5, 2], None], pa.list_(pa.float32()))]))
    ['[0.5,2]', None]
    """
    kind = column.type.value_type if pa.types.is_list(column.type) else None
    if kind is None or not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        return [None] * len(column)
    joined = pc.binary_join(column.cast(pa.list_(pa.string())), ",")
    texts: list[str | None] = pc.binary_join_element_wise("[", joined, "]", "").to_pylist()
    return texts


def float_texts(cells: pa.Array) -> pa.Array:
    """Return numbers as Python writes them; nulls stay null.

    Arrow writes them in a fifth of the time and without Python's lock, but small, large and whole
    numbers otherwise; those are written by Python.

    >>> float_texts(pa.array([0.1, 2, 1e-5, None], pa.float32())).to_pylist()
    ['0.10000000149011612', '2.0', '9.999999747378752e-06', None]
    """
    doubles = cells.cast(pa.float64())
    size = pc.abs(doubles)
    alike = pc.and_(
        pc.and_(pc.greater_equal(size, 1e-4), pc.less(size, 1e10)),
        pc.not_equal(doubles, pc.floor(doubles)),
    )
    own = pc.invert(alike)  # null where the number is
    texts: pa.Array = pc.replace_with_mask(
        doubles.cast(pa.string()),
        own.fill_null(False),
        pa.array([str(number) for number in doubles.filter(own).to_pylist()], pa.string()),
    )
    return texts


def float_values(numbers: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return numbers as serialized `Value` messages: one more axis, of `VALUE_WIDTH` bytes."""
    made = np.empty((*numbers.shape, VALUE_WIDTH), dtype=np.uint8)
    made[..., :-4] = np.frombuffer(FLOAT_TAG, dtype=np.uint8)
    made[..., -4:] = numbers.astype("<f4").view(np.uint8).reshape(*numbers.shape, 4)
    return made


def whole_rows(made: NDArray[np.uint8]) -> list[bytes]:
    """Return the bytes of each row as one string."""
    width = math.prod(made.shape[1:])
    rows: list[bytes] = made.reshape(-1).view(f"V{width}").tolist()
    return rows


def _floats(cells: pa.Array) -> list[bytes]:
    whole = whole_rows(float_values(cells.fill_null(0).to_numpy(zero_copy_only=False)))
    if cells.null_count:
        for row in np.flatnonzero(cells.is_null()):
            whole[row] = b""
    return whole


def _zeros(width: int, size: int) -> Value:
    """Return a vector of zeros of so many bytes each."""
    zeros = [0.0] * width
    if size == 4:
        return Value(float_list_val=FloatList(val=zeros))
    return Value(double_list_val=DoubleList(val=zeros))


def _vectors(cells: Any) -> list[bytes]:
    size = cells.type.value_type.byte_width
    numbers = np.asarray(cells.values, dtype=f"<f{size}").tobytes()
    offsets = np.asarray(cells.offsets).tolist()
    prefixes: dict[int, bytes] = {}
    made = []
    for start, end, present in zip(
        offsets, offsets[1:], np.asarray(cells.is_valid()).tolist(), strict=False
    ):
        if not present:
            made.append(b"")
            continue
        width = end - start
        if width not in prefixes:
            zeros = _zeros(width, size).SerializeToString()
            prefixes[width] = zeros[: -size * width or None]
        made.append(prefixes[width] + numbers[size * start : size * end])
    return made


def _others(cells: pa.Array, kind: Any) -> list[bytes]:
    # Digests and clusters repeat: each different value is converted once.
    coded = cells.dictionary_encode()
    different = python_values_to_proto_values([*coded.dictionary.to_pylist(), None], kind)
    known = [value.SerializeToString() for value in different]
    places = coded.indices.fill_null(len(known) - 1)
    return [known[place] for place in places.to_numpy()]
