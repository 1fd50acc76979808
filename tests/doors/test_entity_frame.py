"""The door of training sets: any frame gives the right rows, or an error that helps."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.plugin.training.entity_rows import entity_rows
from embfeast.tables.keys import exact_keys
from tests.doors import READING, WHOLE
from tests.doors.known import FEATURE, Known
from tests.doors.values import keys, moment, moments, names, whole_number

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def known(materialized):
    _, store, fitted = materialized
    return store, Known(fitted)


@st.composite
def columns_of(draw, values, size):
    """A column as people have it: of mixed objects, or of one of pandas' types."""
    column = pd.Series(draw(st.lists(values, min_size=size, max_size=size)), dtype=object)
    dtype = draw(
        st.sampled_from([object, object, "infer", "Int64", "float64", "category", "string"])
    )
    try:
        return column.infer_objects() if dtype == "infer" else column.astype(dtype)
    except (ValueError, TypeError, OverflowError):
        return column


@st.composite
def frames(draw):
    size = draw(st.integers(0, 4))
    frame = pd.DataFrame(
        {
            "review_id": draw(columns_of(keys, size)),
            "event_timestamp": draw(columns_of(moments, size)),
        }
    )
    if draw(st.booleans()):
        frame[draw(names)] = draw(columns_of(keys, size))
    frame.index = draw(st.permutations(range(size)))
    return frame


@WHOLE
@given(frame=frames())
def test_a_training_set_is_what_a_loop_finds_or_an_error_of_ours(known, frame):
    store, texts = known
    try:
        found = store.get_historical_features(frame, [FEATURE]).to_df()
    except EmbfeastError:
        return
    assert list(found.columns) == [*frame.columns, "reduced"]
    assert len(found) == len(frame)
    for (_, row), vector in zip(frame.iterrows(), found["reduced"], strict=True):
        want = texts.at(row["review_id"], moment(row["event_timestamp"]))
        assert (vector is None) == (want is None)
        assert want is None or np.array_equal(np.float32(vector), np.float32(want))


@pytest.mark.no_cover
@READING
@given(frame=frames(), kind=st.sampled_from([pa.int64(), pa.int16(), pa.uint32()]))
def test_keys_and_times_of_a_frame_are_what_a_loop_reads_or_an_error_of_ours(frame, kind):
    try:
        read = entity_rows(frame, {"reduced"})
        found = exact_keys(read.rows["review_id"], kind).to_pylist()
    except EmbfeastError:
        return
    assert read.times.to_pylist() == [moment(value) for value in frame["event_timestamp"]]
    most = np.iinfo(kind.to_pandas_dtype())
    numbers = [whole_number(value) for value in frame["review_id"]]
    known = [n if n is not None and most.min <= n <= most.max else None for n in numbers]
    assert found == known
