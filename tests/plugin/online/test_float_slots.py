import pyarrow as pa
from feast.protos.feast.types.Value_pb2 import Value
from hypothesis import given
from hypothesis import strategies as st

from embfeast.plugin.online.float_slots import TEXT_WIDTH, float_slots
from embfeast.plugin.online.value_bytes import VALUE_WIDTH

CELLS = st.one_of(st.floats(width=32), st.none())


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n))))
def test_slots_hold_each_number_and_its_text_where_they_are_said_to_be(rows):
    columns = [
        pa.chunked_array([pa.array(column, pa.float32())]) for column in zip(*rows, strict=True)
    ]
    values, texts = float_slots(columns, len(rows))
    for place, column in enumerate(columns):
        for row, number in enumerate(column.to_pylist()):
            value = values[row][place * VALUE_WIDTH :][:VALUE_WIDTH]
            text = texts[row][place * TEXT_WIDTH :][:TEXT_WIDTH].decode().rstrip()
            if number is None:
                assert (value, text) == (bytes(VALUE_WIDTH), "")
            else:
                assert repr(Value.FromString(value).float_val) == repr(number)
                assert text == str(number)
