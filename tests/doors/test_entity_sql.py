"""The door of entity SQL: a SELECT's rows get what a loop finds for them, or an error of ours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embfeast import EmbfeastError
from tests.doors import WHOLE
from tests.doors.known import FEATURE, Known
from tests.doors.values import moment, whole_number

pytestmark = pytest.mark.slow
KEYS = [
    *["review_id", "review_id::DOUBLE", "review_id + 0.4", "review_id::VARCHAR", "NULL::BIGINT"],
    *["review_id = 1", "review_id::HUGEINT", "review_id::UTINYINT", "[review_id]", "'x'"],
    *["review_id::DECIMAL(9,1)", "review_id + 100", "9223372036854775807", "{'a': 1}"],
]
TIMES = [
    *["written_at", "known_at", "written_at::TIMESTAMP", "written_at::DATE", "NULL::TIMESTAMPTZ"],
    *["epoch_ms(written_at)", "written_at::TIMESTAMP_NS", "written_at::VARCHAR", "'2026-03-05'"],
    *["TIMESTAMP '1960-01-01'", "TIMESTAMPTZ 'infinity'", "DATE '9999-12-31'", "review_id"],
    *["TIME '01:02:03'", "INTERVAL 1 DAY", "written_at::TIMESTAMP_S", "'05/03/2026'"],
]
MORE = ["", ", 1 AS note", ", body", ", NULL AS reduced", ", 2 AS review_id", ', 3 AS "select"']
TAILS = ["", " -- all", ";", " LIMIT 0", " WHERE review_id < 3", "; SELECT 1", " WHERE no = 1"]


@pytest.fixture(scope="module")
def known(materialized):
    _, store, fitted = materialized
    return store, Known(fitted)


@WHOLE
@given(
    key=st.sampled_from(KEYS),
    time=st.sampled_from(TIMES),
    more=st.sampled_from(MORE),
    tail=st.sampled_from(TAILS),
)
def test_a_select_gets_what_a_loop_finds_or_an_error_of_ours(known, key, time, more, tail):
    store, texts = known
    sql = f"SELECT {key} AS review_id, {time} AS event_timestamp{more} FROM reviews{tail}"
    try:
        found = store.get_historical_features(sql, [FEATURE]).to_df()
    except EmbfeastError:
        return
    for row in found.to_dict("records"):  # iterrows makes NaT of a null number
        number = whole_number(row["review_id"])
        want = texts.at(number, moment(row["event_timestamp"]))
        assert (row["reduced"] is None) == (want is None)
        assert want is None or np.array_equal(np.float32(row["reduced"]), np.float32(want))
