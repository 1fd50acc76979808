"""Similar texts where the online store searches vectors itself: Milvus Lite, in this process."""

import importlib.util
import os

import numpy as np
import pytest
from feast.repo_config import RepoConfig

from embfeast import EmbfeastError
from embfeast.repository.check.verify import verify
from embfeast.repository.duplicates import duplicate_candidates
from embfeast.repository.similar import can_search, similar_texts
from tests.small_repository import Repo, day

# Milvus Lite takes vectors of one width alone in a repository, and no missing ones.
SETTINGS = {
    "name": "reviews",
    "tricks": {
        "embedding": {"trick": "embedding"},
        "whitened": {"trick": "whitener"},
        "pair": {"trick": "pair_interaction", "input": "whitened", "n_components": 3},
    },
}
TEXTS = 300

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("milvus_lite") is None
        and os.environ.get("EMBFEAST_REQUIRE_SERVICES") != "1",
        reason="Milvus Lite is not installed",
    ),
]


class MilvusRepo(Repo):
    def config(self, **engine) -> RepoConfig:
        stock = super().config(**engine)
        return RepoConfig(
            project="reviews",
            provider="embfeast.plugin.TextFeatureProvider",
            registry=stock.registry_config,
            online_store={
                "type": "milvus",
                "path": "data/milvus.db",  # as for Feast's own provider
                "embedding_dim": 384,
                "index_type": "HNSW",
                "index_params": {"M": 16, "efConstruction": 100},
                "search_params": {"ef": 64},
            },
            offline_store={"type": "embfeast.plugin.DuckDBOfflineStore"},
            batch_engine={"type": "embfeast.plugin.EmbeddingComputeEngine", **engine},
            entity_key_serialization_version=3,
            repo_path=self.path,
        )


@pytest.fixture(scope="module")
def milvus(tmp_path_factory, tickets):
    texts, _ = tickets
    repo = MilvusRepo(tmp_path_factory.mktemp("milvus") / "repo")
    repo.write_texts([(i, None, texts[i], day(i / 100), day(i / 100)) for i in range(TEXTS)])
    fitted = repo.fit(day(8), SETTINGS)
    store = repo.apply(fitted)
    store.materialize(day(-1), day(20))
    return repo, store, fitted


def test_the_store_searches_and_agrees_with_exact_search(milvus, record_property):
    _, store, _ = milvus
    assert can_search(store, store.get_feature_view("review_whitened"))
    shares = []
    for number in range(0, TEXTS, 10):
        asked = {"key": {"review_id": number}, "k": 10}
        found = similar_texts(store, "review_whitened", **asked)
        exact = similar_texts(store, "review_whitened", exact=True, **asked)
        assert found.schema == exact.schema
        assert number not in found["review_id"].to_pylist()
        ours = {row["review_id"]: row for row in exact.to_pylist()}
        both = [row for row in found.to_pylist() if row["review_id"] in ours]
        assert both == [ours[row["review_id"]] for row in both], "scores and times to the bit"
        reached = np.sum(found["score"].to_numpy() >= exact["score"].to_numpy().min())
        shares.append(reached / exact.num_rows)
    print(f"recall@10 {np.mean(shares):.4f} of {len(shares)} queries over {TEXTS} texts")
    record_property("recall_at_10", float(np.mean(shares)))
    assert np.mean(shares) >= 0.95


def test_offline_and_online_values_agree_to_the_bit(milvus):
    _, store, _ = milvus
    assert [finding for finding in verify(store, sample=20) if not finding.ok] == []


def test_a_new_texts_duplicates_are_found_with_their_pairs(milvus, tickets):
    _, store, _ = milvus
    found = duplicate_candidates(store, "pair", text=tickets[0][7], k=3)
    assert found["score"][0].as_py() == pytest.approx(1, abs=1e-6), "the very text is stored"
    assert found["pair"].null_count == 0


def test_values_of_another_recipe_are_not_compared(milvus):
    repo, _, _ = milvus
    store = repo.apply(repo.fit(day(2), SETTINGS))
    with pytest.raises(EmbfeastError, match=r"^view .* cannot be compared .*; materialize$"):
        similar_texts(store, "review_whitened", text="a parcel")
