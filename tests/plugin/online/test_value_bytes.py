import numpy as np
import pyarrow as pa
from feast import ValueType
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from hypothesis import given
from hypothesis import strategies as st

from embfeast.plugin.online.value_bytes import float_texts, value_bytes

ANY_FLOAT = st.floats(width=32)


@given(st.lists(st.one_of(ANY_FLOAT, st.none(), st.integers(-(2**24), 2**24).map(float))))
def test_numbers_are_written_as_python_writes_them(numbers):
    cells = pa.array(numbers, pa.float32())
    written = [None if cell is None else str(cell) for cell in cells.to_pylist()]
    assert float_texts(cells).to_pylist() == written


def test_numbers_of_the_usual_size_are_written_as_python_writes_them():
    numbers = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    assert float_texts(pa.array(numbers)).to_pylist() == [str(n) for n in numbers.tolist()]


def test_chunks_are_joined_before_they_are_converted():
    column = pa.chunked_array([pa.array([0.5], pa.float32()), pa.array([None, 2], pa.float32())])
    cells = value_bytes(column, ValueType.FLOAT)
    assert [Value.FromString(cell).float_val for cell in cells] == [0.5, 0.0, 2.0]
    assert cells[1] == b""


@given(st.lists(st.one_of(st.none(), st.lists(st.floats(), max_size=3))))
def test_vectors_of_doubles_are_the_bytes_of_feasts_own(vectors):
    column = pa.chunked_array([pa.array(vectors, pa.list_(pa.float64()))])
    own = python_values_to_proto_values([[1.0], *vectors], ValueType.DOUBLE_LIST)[1:]
    wanted = [
        one.SerializeToString() if v is not None else b""
        for one, v in zip(own, vectors, strict=True)
    ]
    assert value_bytes(column, ValueType.DOUBLE_LIST) == wanted
