"""The door of pushes: a row is readable online and offline as it was given, or refused whole."""

import contextlib
import itertools
import uuid
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.plugin import DuckDBSource
from embfeast.plugin.engine.push import read_frame
from embfeast.plugin.feature_table import feature_table
from embfeast.tables.table import Table
from tests.doors import READING, WHOLE
from tests.doors.known import FEATURE
from tests.doors.values import keys, moment, moments, plain, whole_number
from tests.small_repository import copied, day

pytestmark = pytest.mark.slow
fresh = itertools.count(1_000)
# How people write a whole number, and what is none.
SHAPES = [int, float, Decimal, Fraction, np.int64, np.uint16, np.float64]
NO_KEYS = [
    *[str, bool, lambda k: k + 0.4, lambda k: None, lambda k: np.nan, lambda k: 2**64 + k],
    *[lambda k: [k], lambda k: {"a": k}, lambda k: np.bool_(True), "{}.0".format, np.float32(0.3)],
    *[lambda k: uuid.UUID(int=k), lambda k: b"1", lambda k: pd.NA, lambda k: 1e300],
]
texts = st.one_of(
    st.sampled_from(["refund", "", " ", "\x00", "列", "\ud800 lone", "null", "3"]),
    st.text(max_size=8),
    st.sampled_from([None, np.nan, pd.NA, 3, True, b"bytes", ["list"], {"a": 1}]),
)


@pytest.fixture(scope="module")
def door(pushable, tmp_path_factory):
    repo, store, fitted = copied(pushable, tmp_path_factory.mktemp("push"))
    view = store.get_feature_view("review_reduced")
    place = feature_table(view, repo.config()).place
    return store, fitted, lambda: Table.open(place).version


def online(store, key):
    return store.get_online_features([FEATURE], [{"review_id": key}]).to_dict()["reduced"][0]


@WHOLE
@given(
    shape=st.sampled_from([*SHAPES * 3, *NO_KEYS]),
    written=st.just(day(12)) | moments,
    known=st.just(day(12)) | moments,
    body=texts,
    dtype=st.sampled_from([object, "infer", "category"]),
)
def test_a_pushed_row_is_read_as_it_was_given_or_refused(door, shape, written, known, body, dtype):
    store, fitted, version = door
    number = next(fresh)
    key = shape(number) if callable(shape) else shape
    given_row = {"review_id": key, "title": "t", "body": body}
    given_row |= {"written_at": written, "known_at": known}
    frame = pd.DataFrame(
        {name: pd.Series([value], dtype=object) for name, value in given_row.items()}
    )
    frame.index = [7]
    with contextlib.suppress(TypeError):  # what cannot be hashed is no category
        frame = frame.infer_objects() if dtype == "infer" else frame.astype(dtype)
    before = version()
    try:
        store.push("review_push", frame)
    except EmbfeastError:
        assert version() == before
        if whole_number(key) == number:
            assert online(store, number) is None
        return
    assert whole_number(key) == number
    said = plain(body)
    assert said is None or isinstance(said, str)
    text = "\n".join(part for part in ("t", said) if part and part.strip())
    want = fitted.values([text.encode(errors="replace").decode()], entries=["reduced"])
    want = np.float32(want["reduced"][0])
    assert np.array_equal(np.float32(online(store, number)), want)
    at = moment(written)
    assert at is not None
    entities = pd.DataFrame({"review_id": [number], "event_timestamp": [at]}, dtype=object)
    offline = store.get_historical_features(entities, [FEATURE]).to_df()["reduced"][0]
    assert np.array_equal(np.float32(offline), want)


SOURCE = DuckDBSource(
    name="reviews",
    database="reviews.duckdb",
    table="reviews",
    text_columns=["title", "body"],
    timestamp_field="written_at",
    created_timestamp_column="known_at",
)
COLUMNS = ["review_id", "title", "body", "written_at", "known_at"]
KINDS = [pa.int64(), pa.int32(), pa.uint8()]
SIZES = {pa.int64(): (-(2**63), 2**63 - 1), pa.int32(): (-(2**31), 2**31 - 1), pa.uint8(): (0, 255)}
# Rows as a careful person writes them, of few keys and times, so that they often meet.
GOOD = itertools.product(
    [1, 2], ["refund", None], ["late", " "], [day(12), day(13)], [day(14), None]
)
odd_cells = st.one_of(
    st.tuples(st.just("review_id"), keys),
    st.tuples(st.sampled_from(["title", "body"]), texts),
    st.tuples(st.sampled_from(["written_at", "known_at"]), moments),
)


def read(row, kind):
    """Return a pushed row in plain Python; ValueError where a careful reader would ask back."""
    key, *said, written, known = (row[name] for name in COLUMNS)
    number, (first, last) = whole_number(key), SIZES[kind]
    said = [plain(text) for text in said]
    if number is None or not first <= number <= last or moment(written) is None:
        raise ValueError(row)
    if not all(text is None or isinstance(text, str) for text in said):
        raise ValueError(row)
    said = [text and text.encode(errors="replace").decode() for text in said]
    return (number, *said, moment(written), moment(known))


@pytest.mark.no_cover
@READING
@given(
    good=st.lists(st.sampled_from(list(GOOD)), min_size=1, max_size=3),
    odd=st.lists(odd_cells, max_size=2),
    kind=st.sampled_from(KINDS),
    dtype=st.sampled_from([object, "infer"]),
)
def test_a_pushed_frame_is_read_as_a_loop_reads_it_or_refused(good, odd, kind, dtype):
    given_rows = [dict(zip(COLUMNS, row, strict=True)) for row in good]
    given_rows[-1].update(odd)
    frame = pd.DataFrame(
        {n: pd.Series([row[n] for row in given_rows], dtype=object) for n in COLUMNS}
    )
    frame.index = [7] * len(frame)
    frame = frame.infer_objects() if dtype == "infer" else frame
    try:
        found = read_frame(frame, SOURCE, {"review_id": kind}, 100).to_pylist()
    except EmbfeastError:
        want = set() if odd else {read(row, kind) for row in given_rows}
        assert odd or len({identity(row) for row in want}) < len(want)
        return
    want = list(dict.fromkeys(read(row, kind) for row in given_rows))
    assert [tuple(row[name] for name in COLUMNS) for row in found] == want
    assert len(set(map(identity, want))) == len(want)


def identity(row):
    return row[0], *row[3:]


@pytest.mark.parametrize("shape", SHAPES)
def test_whole_numbers_of_any_type_are_keys(door, shape):
    store, _, _ = door
    number = next(fresh)
    row = {"review_id": shape(number), "title": "t", "body": "b"}
    store.push("review_push", pd.DataFrame([row | {"written_at": day(12), "known_at": day(12)}]))
    assert online(store, number) is not None
