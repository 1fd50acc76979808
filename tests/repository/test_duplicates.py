"""Candidates for duplicates, their pair features and a classifier's score, in one call."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from embfeast import EmbfeastError
from embfeast.repository.duplicates import duplicate_candidates
from embfeast.repository.similar import similar_texts
from embfeast.texts.opened import joined_texts
from tests.small_repository import day

pytestmark = pytest.mark.slow


def test_a_stored_texts_pairs_are_those_of_the_service(materialized, monkeypatch):
    _, store, _ = materialized
    asked = []
    look_up = type(store).get_online_features

    def counted(self, *args, **kwargs):
        asked.append(args)
        return look_up(self, *args, **kwargs)

    monkeypatch.setattr(type(store), "get_online_features", counted)
    found = duplicate_candidates(store, "pair", key={"review_id": 1}, k=4)
    assert len(asked) == 1, "all pairs in one request"
    assert found.column_names == ["other_review_id", "score", "event_timestamp", "pair"]
    near = similar_texts(store, "review_reduced", key={"review_id": 1}, k=4)
    assert found["other_review_id"].to_pylist() == near["review_id"].to_pylist()
    others, pairs = found["other_review_id"].to_pylist(), found["pair"].to_pylist()
    for other, pair in zip(others, pairs, strict=True):
        alone = store.get_online_features(
            store.get_feature_service("pair"), [{"review_id": 1, "other_review_id": other}]
        ).to_dict()
        assert pair == alone["pair"][0]


def test_a_new_texts_pairs_have_the_bits_of_the_stored_texts(materialized):
    repo, store, _ = materialized
    with repo.source.open(repo.path, ["review_id"]) as texts:
        rows = next(texts.read(batch_rows=100))
    texts = dict(
        zip(rows["review_id"].to_pylist(), joined_texts(rows, ("title", "body")), strict=True)
    )
    stored = duplicate_candidates(store, "pair", key={"review_id": 1}, k=50)
    live = duplicate_candidates(store, "pair", text=texts[1], k=50)
    of = dict(zip(live["other_review_id"].to_pylist(), live["pair"].to_pylist(), strict=True))
    assert set(of) == {*stored["other_review_id"].to_pylist(), 1}, "as new it finds itself too"
    assert [of[other] for other in stored["other_review_id"].to_pylist()] == (
        stored["pair"].to_pylist()
    )


def test_the_models_likeliest_come_first(materialized):
    _, store, _ = materialized
    plain = duplicate_candidates(store, "pair", key={"review_id": 1}, k=6)
    pairs = np.array(plain["pair"].to_pylist(), dtype=np.float32)
    model = LogisticRegression().fit(pairs, [0, 1] * 3)
    found = duplicate_candidates(store, "pair", key={"review_id": 1}, k=6, model=model)
    probabilities = found["probability"].to_pylist()
    assert probabilities == sorted(probabilities, reverse=True)
    assert set(found["other_review_id"].to_pylist()) == set(plain["other_review_id"].to_pylist())
    np.testing.assert_allclose(
        sorted(probabilities), sorted(model.predict_proba(pairs)[:, 1]), rtol=1e-12
    )


def test_candidates_may_come_from_another_view(materialized):
    _, store, _ = materialized
    found = duplicate_candidates(store, "pair", key={"review_id": 1}, view="review_whitened", k=3)
    near = similar_texts(store, "review_whitened", key={"review_id": 1}, k=3)
    assert found["score"].equals(near["score"])


def test_pairs_of_another_recipe_are_not_given_to_a_model(ready):
    repo, _, _ = ready
    store = repo.apply(repo.fit(day(6.5)))
    store.materialize(day(-1), day(20), feature_views=["review_reduced"])
    with pytest.raises(EmbfeastError, match=r"another recipe.*materialize"):
        duplicate_candidates(store, "pair", key={"review_id": 1}, k=3)


def test_a_service_without_pairs_is_named(materialized):
    _, store, _ = materialized
    with pytest.raises(EmbfeastError, match="service 'all' has no view of pairs"):
        duplicate_candidates(store, "all", text="a")
    with pytest.raises(EmbfeastError, match="give one of key and text"):
        duplicate_candidates(store, "pair")
