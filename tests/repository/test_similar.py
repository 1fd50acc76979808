"""Similar texts of a real repository, searched over the offline table."""

from datetime import timedelta

import numpy as np
import pytest

from embfeast import EmbfeastError
from embfeast.repository.similar import similar_texts
from tests.small_repository import day

pytestmark = pytest.mark.slow


def test_a_new_text_finds_its_like_and_a_stored_one_never_finds_itself(materialized):
    _, store, _ = materialized
    found = similar_texts(store, "review_embedding", text="Something about the refund", k=3)
    assert found.column_names == ["review_id", "score", "event_timestamp"]
    assert set(found["review_id"].to_pylist()[:2]) == {3, 11}, "both are about a refund"
    assert found["score"].to_pylist() == sorted(found["score"].to_pylist(), reverse=True)

    same = similar_texts(store, "review_whitened", key={"review_id": 3}, k=50)
    assert 3 not in same["review_id"].to_pylist()
    assert 4 not in same["review_id"].to_pylist(), "a blank text is similar to nothing"
    assert same.num_rows == 10


def test_a_stored_text_a_new_text_and_a_vector_are_asked_for_alike(materialized):
    _, store, fitted = materialized
    text = "export Something about the export of number 6"
    vector = fitted.matrices([text], ["whitened"])["whitened"][0]
    by_text = similar_texts(store, "review_whitened", text=text, k=4)
    by_vector = similar_texts(store, "review_whitened", vector=vector, k=4)
    assert by_text.equals(by_vector)


def test_the_past_is_searched_as_it_was(materialized):
    _, store, _ = materialized
    asked = "I have changed my mind, it works now"
    now = similar_texts(store, "review_embedding", text=asked, k=1)
    assert now["review_id"].to_pylist() == [2]
    then = similar_texts(store, "review_embedding", text=asked, k=20, as_of=day(8.5))
    assert max(then["event_timestamp"].to_pylist()) <= day(8.5)
    scores = dict(zip(then["review_id"].to_pylist(), then["score"].to_pylist(), strict=True))
    assert scores[2] < now["score"][0].as_py(), "then it was another text"
    assert similar_texts(
        store, "review_embedding", text=asked, k=20, as_of=day(8.5).tz_localize(None)
    ).equals(then)


def test_rows_past_their_ttl_are_not_found(ready):
    repo, store, _ = ready
    view = store.get_feature_view("review_embedding")
    view.ttl = timedelta(days=3)
    store.apply(view)
    store, asked = repo.store(), {"text": "a refund", "k": 20}
    then = similar_texts(store, "review_embedding", as_of=day(8.5), **asked)
    assert set(then["review_id"].to_pylist()) == {6, 7, 8}
    assert similar_texts(store, "review_embedding", as_of=day(300), **asked).num_rows == 0
    with pytest.raises(EmbfeastError, match="older than the view's ttl"):
        similar_texts(store, "review_embedding", key={"review_id": 3}, as_of=day(8.5))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"view": "review_cluster", "text": "a"}, "holds single numbers"),
        ({"view": "nothing", "text": "a"}, "is no view of ours; views with a vector are review_"),
        ({"text": "a", "key": {"review_id": 1}}, "give one of text, vector and key"),
        ({}, "give one of text, vector and key"),
        ({"text": "  "}, "a blank text"),
        ({"key": {"review_id": 4}}, "has no vector of"),
        ({"key": {"review_id": 400}}, "has no row of"),
        ({"key": {"id": 4}}, "has the key review_id"),
        ({"key": {"review_id": "four"}}, "is no review_id"),
        ({"vector": [1.0]}, "vectors of 384 finite numbers"),
        ({"vector": [np.nan] * 384}, "not finite"),
        ({"text": "a", "metric": "L2"}, "metric 'L2' is none of cosine, dot"),
        ({"text": "a", "k": 0}, "k must be at least 1"),
    ],
)
def test_a_mistake_is_named(materialized, asked, message):
    _, store, _ = materialized
    asked = {"view": "review_embedding", **asked}
    with pytest.raises(EmbfeastError, match=message):
        similar_texts(store, asked.pop("view"), **asked)
