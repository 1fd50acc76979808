"""Many float columns as two byte strings a row, in slots of fixed width that SQL can cut.

A single value costs more to hand to SQLite than to keep there.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embfeast.plugin.value_bytes import FLOAT_TAG, float_texts

VALUE_WIDTH = len(FLOAT_TAG) + 4
# The longest that Python writes: a sign, 17 digits with their point, and an exponent of "e-38".
TEXT_WIDTH = 24


def value_slots(numbers: NDArray[np.float32]) -> list[bytes]:
    """Return each row's values as serialized protobuf `Value` messages, one after the other.

    Parameters
    ----------
    numbers : ndarray of shape (n, columns), float32

    Returns
    -------
    list of n bytes
        Column ``i`` begins at ``i * VALUE_WIDTH``.
    """
    made = np.empty((*numbers.shape, VALUE_WIDTH), dtype=np.uint8)
    made[..., :-4] = np.frombuffer(FLOAT_TAG, dtype=np.uint8)
    made[..., -4:] = numbers.astype("<f4").view(np.uint8).reshape(*numbers.shape, 4)
    return _rows(made)


def text_slots(numbers: NDArray[np.float32]) -> list[bytes]:
    """Return each row's numbers as text, filled up with spaces.

    Parameters
    ----------
    numbers : ndarray of shape (n, columns), float32

    Returns
    -------
    list of n bytes
        Column ``i`` begins at ``i * TEXT_WIDTH``.

    Examples
    --------
    >>> text_slots(np.array([[0.5, -2]], dtype=np.float32))[0].split()
    [b'0.5', b'-2.0']
    """
    texts = pc.utf8_rpad(float_texts(pa.array(numbers.ravel())), TEXT_WIDTH)
    made = np.frombuffer(texts.buffers()[2], dtype=np.uint8, count=numbers.size * TEXT_WIDTH)
    return _rows(made.reshape(*numbers.shape, TEXT_WIDTH))


def columns_alike(table: pa.Table, names: Sequence[str]) -> list[str]:
    """Return the float32 columns that are null in the same rows as the first of them.

    Features of one text are null together, so that these are all but odd ones.

    Parameters
    ----------
    table : pyarrow.Table
    names : sequence of str
        The columns to choose from.
    """
    floats = [name for name in names if pa.types.is_float32(table.schema.field(name).type)]
    nulls = {name: table[name].is_null().combine_chunks() for name in floats}
    return [name for name in floats if nulls[name].equals(nulls[floats[0]])]


def _rows(made: NDArray[np.uint8]) -> list[bytes]:
    width = made.shape[1] * made.shape[2]
    whole: list[bytes] = np.ascontiguousarray(made).reshape(-1).view(f"V{width}").tolist()
    return whole
