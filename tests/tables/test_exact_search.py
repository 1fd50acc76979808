"""Exact search: what comparing with every vector finds, in the same order, whatever the files."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.tables.columns import MOMENT
from embfeast.tables.exact_search import METRICS, exact_search, scores, stored_vector
from embfeast.tables.files import write_file
from embfeast.tables.place import Place
from embfeast.tables.table import ensure_table

START = datetime(2026, 1, 1, tzinfo=UTC)
WIDTH = 3
SCHEMA = pa.schema(
    [
        ("key", pa.int64()),
        ("event_timestamp", MOMENT),
        ("created_timestamp", MOMENT),
        ("vector", pa.list_(pa.float32())),
    ]
)
# Few values, so that vectors, scores and times coincide.
NUMBER = st.sampled_from([-1.0, 0.0, 0.5, 1.0])
VECTOR = st.none() | st.tuples(*[NUMBER] * WIDTH)
ROW = st.tuples(st.integers(0, 12), st.integers(0, 4), VECTOR)


def write(folder, chunks):
    made, _ = ensure_table(Place(str(folder)), SCHEMA)
    for number, rows in enumerate(chunks):
        table = pa.table(
            {
                "key": [key for key, _, _ in rows],
                "event_timestamp": [START + timedelta(days=day) for _, day, _ in rows],
                "created_timestamp": [START + timedelta(days=day) for _, day, _ in rows],
                "vector": [None if v is None else list(v) for _, _, v in rows],
            },
            schema=SCHEMA,
        )
        made.commit([write_file(made.place, table, f"{number:03d}.parquet").add()])
    return made


def plainly(chunks, query, k, metric, last_day, without):
    """The newest revision of each key, then one argsort in memory."""
    newest = {}
    for rows in chunks:
        for key, day, vector in rows:
            if day <= last_day and (key not in newest or day >= newest[key][0]):
                newest[key] = day, vector
    made = {}
    for key, (_, vector) in newest.items():
        if vector is None or key == without:
            continue
        vector = np.array(vector, dtype=np.float64)
        lengths = np.linalg.norm(vector) * np.linalg.norm(query) if metric == "cosine" else 1.0
        made[key] = vector @ query / lengths if lengths else 0.0
    best = np.argsort(-np.array(list(made.values())), kind="stable")[:k]
    return made, np.array(list(made.values()))[best], newest


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(ROW, min_size=1, max_size=12), min_size=1, max_size=4),
    st.tuples(*[NUMBER] * WIDTH),
    st.integers(1, 6),
    st.sampled_from(METRICS),
    st.integers(0, 4),
    st.none() | st.integers(0, 12),
)
def test_it_finds_what_a_sort_of_all_newest_vectors_finds(
    tmp_path_factory, chunks, query, k, metric, last_day, without
):
    # Of two rows of one key and one time the later file's wins, in both.
    folder = tmp_path_factory.mktemp("exact") / "table"
    table = write(folder, chunks)
    query = np.array(query, dtype=np.float32)
    found = exact_search(
        table,
        ["key"],
        "vector",
        query,
        k=k,
        metric=metric,
        as_of=START + timedelta(days=last_day),
        without=None if without is None else {"key": without},
    )
    made, wanted, newest = plainly(chunks, query.astype(np.float64), k, metric, last_day, without)
    keys, got = found["key"].to_pylist(), found["score"].to_numpy()
    np.testing.assert_allclose(got, wanted, atol=1e-12)
    np.testing.assert_allclose(got, [made[key] for key in keys], atol=1e-12)
    assert len(set(keys)) == len(keys)
    for key, time in zip(keys, found["event_timestamp"].to_pylist(), strict=True):
        assert time == START + timedelta(days=newest[key][0])


def test_equal_vectors_tie_to_the_bit_and_come_in_the_order_of_their_keys(tmp_path, rng):
    vectors = rng.normal(size=(40, WIDTH)).astype(np.float32)
    rows = [(key, 0, vectors[key % 2]) for key in range(40)]
    table = write(tmp_path, [rows[25:], rows[:7], rows[7:25]])
    found = exact_search(table, ["key"], "vector", vectors[0], k=25)
    assert found["key"].to_pylist() == [*range(0, 40, 2), 1, 3, 5, 7, 9]
    assert len(set(found["score"].to_pylist())) == 2


def test_a_score_does_not_depend_on_the_vectors_beside_it(rng):
    vectors, query = rng.normal(size=(100, 384)), rng.normal(size=384)
    for metric in METRICS:
        alone = [scores(vector[None, :], query, metric)[0] for vector in vectors]
        assert (scores(vectors, query, metric) == alone).all()


def test_a_query_of_another_width_names_both(tmp_path):
    table = write(tmp_path, [[(1, 0, (1.0, 0.0, 0.0))]])
    with pytest.raises(EmbfeastError, match="vectors of 3 to 3 numbers, the query has 2"):
        exact_search(table, ["key"], "vector", np.ones(2, np.float32), k=1)


def test_a_keys_vector_is_that_of_its_newest_revision_at_the_time(tmp_path):
    table = write(tmp_path, [[(1, 0, (1.0, 0.0, 0.0)), (1, 3, (0.0, 1.0, 0.0)), (2, 0, None)]])
    assert stored_vector(table, ["key"], "vector", {"key": 1}) == [0.0, 1.0, 0.0]
    day_one = START + timedelta(days=1)
    assert stored_vector(table, ["key"], "vector", {"key": 1}, day_one) == [1.0, 0.0, 0.0]
    assert stored_vector(table, ["key"], "vector", {"key": 2}) is None
    with pytest.raises(EmbfeastError, match=r"has no row of \{'key': 3\}"):
        stored_vector(table, ["key"], "vector", {"key": 3})
    with pytest.raises(EmbfeastError, match="not of the type"):
        stored_vector(table, ["key"], "vector", {"key": "three"})
