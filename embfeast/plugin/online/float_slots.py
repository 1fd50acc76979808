"""Many float columns as two byte strings a row, in slots of fixed width that SQL can cut.

A single value costs more to hand to SQLite than to keep there.
"""

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embfeast.plugin.online.value_bytes import float_texts, float_values, whole_rows

# The longest that Python writes: a sign, 17 digits with their point, and an exponent of "e-38".
TEXT_WIDTH = 24


def float_slots(columns: Sequence[pa.ChunkedArray], rows: int) -> tuple[list[bytes], list[bytes]]:
    """Return each row's serialized protobuf `Value` messages, and its numbers as text.

    Column ``i`` begins at ``i * VALUE_WIDTH`` and at ``i * TEXT_WIDTH``. Texts are filled up with
    spaces; a null is zeros in the one and spaces alone in the other.

    >>> column = pa.chunked_array([pa.array([0.5, None], pa.float32())])
    >>> values, texts = float_slots([column], 2)
    >>> [value.hex() for value in values], [text.strip() for text in texts]
    (['350000003f', '0000000000'], [b'0.5', b''])
    """
    if not columns:
        return [b""] * rows, [b""] * rows
    numbers = np.stack([pc.fill_null(c, 0).to_numpy() for c in columns], axis=1)
    values = float_values(numbers)
    padded = pc.utf8_rpad(float_texts(pa.array(numbers.ravel())), TEXT_WIDTH)
    shape = (rows, len(columns), TEXT_WIDTH)
    texts = np.frombuffer(padded.buffers()[2], np.uint8, count=math.prod(shape)).reshape(shape)
    nulls = np.stack([c.is_null().to_numpy() for c in columns], axis=1)
    if nulls.any():
        texts = texts.copy()
        values[nulls], texts[nulls] = 0, ord(" ")
    return whole_rows(values), whole_rows(texts)
