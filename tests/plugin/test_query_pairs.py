"""Pairs of a query and a document through a whole repository: the same bits everywhere."""

import numpy as np
import pandas as pd
import pytest

from embfeast import EmbfeastError, Encoder, Recipe
from embfeast.encoding import EmbeddingCache
from embfeast.plugin import feature_views, pair_view
from embfeast.recipe.versions import save_version
from embfeast.repository import duplicate_candidates, fit_on_source, verify
from tests.small_repository import Repo, day, sample_rows

pytestmark = pytest.mark.slow

PROMPT = "question: "
SETTINGS = {
    "model": {"name": "all-MiniLM-L6-v2", "query_prompt": PROMPT},
    "tricks": {
        "reduced": {"trick": "embedding_reducer", "n_components": 4},
        "asked": {"trick": "query_embedding", "input": "reduced"},
        "pair": {"trick": "pair_interaction", "left": "asked", "right": "reduced"},
    },
}
KEYS = [0, 1, 3, 5, 6]


def text_of(key):
    _, title, body, *_ = sample_rows()[key]
    return f"{title}\n{body}"


@pytest.fixture(scope="module")
def asking(tmp_path_factory):
    repo = Repo(tmp_path_factory.mktemp("asking") / "repo")
    repo.write_texts(sample_rows())
    recipe = Recipe(SETTINGS)
    encoder = Encoder(recipe.settings.model, cache=EmbeddingCache(repo.path / "data" / "cache"))
    fitted = fit_on_source(
        recipe, repo.source, repo.path, ["review_id"], as_of=day(8), encoder=encoder
    )
    save_version(repo.recipes, fitted)
    store = repo.apply(fitted, repo.push_source())
    store.materialize(day(-1), day(20))
    return repo, store, fitted


def expected(fitted, encoder, left, right):
    """The plain formula on the two texts' vectors, encoded each on its own side."""
    reduced = fitted.tricks["reduced"]
    a = reduced.transform(encoder.encode([PROMPT + left]))[0]
    b = reduced.transform(encoder.encode([right]))[0]
    return np.array([*a, *b, *abs(a - b), *(a * b)], dtype=np.float32)


def test_training_sets_and_lookups_have_the_query_left_and_the_document_right(asking, encoder):
    _, store, fitted = asking
    rows = [{"review_id": a, "other_review_id": b} for a in KEYS for b in KEYS]
    service = store.get_feature_service("pair")
    online = store.get_online_features(service, rows).to_dict()["pair"]
    frame = pd.DataFrame(rows).assign(event_timestamp=day(20))
    trained = store.get_historical_features(frame, service).to_df()
    offline = {(r.review_id, r.other_review_id): r.pair for r in trained.itertuples()}
    for row, found in zip(rows, online, strict=True):
        left, right = text_of(row["review_id"]), text_of(row["other_review_id"])
        wanted = expected(fitted, encoder, left, right)
        assert np.array_equal(np.float32(found), wanted)
        assert np.array_equal(fitted.transform_pairs("pair", [left], [right])[0], wanted)
        stored = offline[row["review_id"], row["other_review_id"]]
        assert np.array_equal(np.float32(stored), wanted)


def test_what_is_stored_is_verified(asking):
    _, store, _ = asking
    assert not [found for found in verify(store) if not found.ok]


def test_a_query_in_a_request_and_a_pushed_one_have_the_stored_bits(asking):
    _, store, _ = asking
    text = text_of(6)
    live = store.get_online_features(store.get_feature_service("live"), [{"text": text}]).to_dict()
    stored = store.get_online_features(["review_asked:asked"], [{"review_id": 6}]).to_dict()
    assert live["asked"] == stored["asked"]
    title, body = text.split("\n")
    pushed = {"review_id": 90, "title": title, "body": body, "written_at": day(9)}
    store.push("review_push", pd.DataFrame([pushed | {"known_at": day(9)}]))
    both = [{"review_id": 90, "other_review_id": 6}, {"review_id": 6, "other_review_id": 90}]
    again = store.get_online_features(store.get_feature_service("pair"), both).to_dict()["pair"]
    assert again[0] == again[1] is not None


def test_candidates_are_the_documents_nearest_to_the_query(asking, encoder):
    _, store, fitted = asking
    found = duplicate_candidates(store, "pair", key={"review_id": 1}, k=4)
    live = duplicate_candidates(store, "pair", text=text_of(1), k=5)
    reduced = fitted.tricks["reduced"]
    query = reduced.transform(encoder.encode([PROMPT + text_of(1)]))[0].astype(float)
    scores = {}
    for key, score, pair in zip(
        *(live[name].to_pylist() for name in ("other_review_id", "score", "pair")), strict=True
    ):
        if key < 12 and key != 2:  # of one revision
            document = reduced.transform(encoder.encode([text_of(key)]))[0].astype(float)
            cosine = query @ document / np.linalg.norm(query) / np.linalg.norm(document)
            assert score == pytest.approx(cosine, abs=1e-6)
            wanted = expected(fitted, encoder, text_of(1), text_of(key))
            assert np.array_equal(np.float32(pair), wanted)
        scores[key] = score
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert 1 not in found["other_review_id"].to_pylist(), "a stored text does not find itself"
    others = [key for key in scores if key != 1][:4]
    assert found["other_review_id"].to_pylist()[: len(others)] == others
    with pytest.raises(EmbfeastError, match="k must be at least 1"):
        duplicate_candidates(store, "pair", key={"review_id": 1}, k=0)
    with pytest.raises(EmbfeastError, match="blank"):
        duplicate_candidates(store, "pair", text=" ", k=3)


def test_a_side_without_a_view_is_named(asking):
    repo, _, fitted = asking
    views = feature_views(fitted, source=repo.source, entity=repo.review, entries=["reduced"])
    with pytest.raises(EmbfeastError, match="reads 'asked', which has no view review_asked"):
        pair_view(fitted, views, entity=repo.review, other=repo.other)
    tricks = {"asked": {"trick": "query_embedding"}}
    tricks["pair"] = {"trick": "pair_interaction", "left": "asked", "right": "embedding"}
    other = Recipe(SETTINGS | {"tricks": tricks}).fit(["a text", "another text"])
    views = feature_views(other, source=repo.source, entity=repo.review)
    with pytest.raises(EmbfeastError, match=r"reads 'embedding', .*\{trick: embedding\}"):
        pair_view(other, views, entity=repo.review, other=repo.other)
