"""Feast's vector search by texts, on stores that search themselves, beside exact search."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx2 as httpx
import numpy as np
import pytest
import yaml
from feast import FeatureStore
from feast.vector_store_utils import feature_view_to_vs_id

from embfeast import EmbfeastError
from embfeast.plugin.online.text_search import TextQueries
from embfeast.repository.similar import similar_texts
from tests.plugin.test_similar_milvus import SETTINGS, MilvusRepo
from tests.scripts.conftest import ROOT
from tests.small_repository import Repo, day

sys.path.insert(0, str(ROOT / "scripts"))

from load_test import serving

pytestmark = pytest.mark.slow

TEXTS = 120
QUERIES = ["I was charged twice", "the parcel never came", "Where is my login?", "slow export"]
VIEWS = ["review_embedding", "review_whitened"]
SERVE = """from pathlib import Path

from embfeast.plugin.serving import prepare


def load_artifacts(app):
    prepare(app, recipes=Path(__file__).parent / "data" / "recipes")
"""


class SearchingRepo(Repo):
    """A repository whose store searches vectors, described in a file too."""

    def __init__(self, path: Path, online_store: dict) -> None:
        super().__init__(path)
        self.settings = {
            "project": "reviews",
            "provider": "embfeast.plugin.TextFeatureProvider",
            "registry": {
                "path": "data/registry.db",
                "registry_store_type": "embfeast.plugin.AtomicFileRegistryStore",
            },
            "online_store": online_store,
            "offline_store": {"type": "embfeast.plugin.DuckDBOfflineStore"},
            "batch_engine": {"type": "embfeast.plugin.EmbeddingComputeEngine"},
            "feature_server": {"type": "mcp", "mcp_enabled": True, "mcp_transport": "http"},
            "entity_key_serialization_version": 3,
        }
        (path / "feature_store.yaml").write_text(yaml.safe_dump(self.settings))
        (path / "static_artifacts.py").write_text(SERVE)

    def store(self) -> FeatureStore:
        return FeatureStore(repo_path=self.path, embedding_provider=TextQueries())


@pytest.fixture(scope="module")
def milvus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("milvus_lite")
    given = MilvusRepo(folder / "unused").config().online_config
    return {**given, "uri": str(folder / "milvus.db")}


@pytest.fixture(scope="module", params=["milvus", "pgvector"])
def searching(request, tmp_path_factory, tickets):
    online_store = request.getfixturevalue(request.param)
    repo = SearchingRepo(tmp_path_factory.mktemp(request.param) / "repo", online_store)
    # Numbered, since equal texts would be at equal distances.
    texts = {i: f"{text} ({i})" for i, text in enumerate(tickets[0][:TEXTS])}
    repo.write_texts([(i, None, text, day(i / 100), day(i / 100)) for i, text in texts.items()])
    fitted = repo.fit(day(8), SETTINGS)
    store = repo.apply(fitted)
    store.materialize(day(-1), day(20))
    return repo, store, fitted, texts


@pytest.fixture(scope="module")
def served(searching):
    repo = searching[0]
    if repo.settings["online_store"]["type"] == "milvus":
        pytest.skip("Milvus Lite is a file of one process, and these tests look into it too")
    with serving(repo.path) as url, httpx.Client(base_url=url, timeout=600) as client:
        yield client


def exact(searching, view: str, query: str, k: int) -> tuple[list[int], np.ndarray]:
    """Return the nearest keys and their distances, by numpy over what is served."""
    _, store, fitted, texts = searching
    entry = view.removeprefix("review_")
    rows = [{"review_id": key} for key in texts]
    stored = np.array(store.get_online_features([f"{view}:{entry}"], rows).to_dict()[entry])
    distances = np.linalg.norm(stored - fitted.matrices([query], [entry])[entry][0], axis=1)
    nearest = np.argsort(distances, kind="stable")[:k]
    return nearest.tolist(), distances[nearest]


def assert_exact(searching, view, query, keys, distances) -> None:
    nearest, expected = exact(searching, view, query, len(keys))
    squared = "milvus" in searching[0].settings["online_store"]["type"]
    np.testing.assert_allclose(distances, expected**2 if squared else expected, atol=1e-5)
    assert keys == nearest


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("asked", ["query", "query_string"])
def test_a_text_query_finds_what_exact_search_finds(searching, view, asked):
    store = searching[1]
    for query in QUERIES:
        found = store.retrieve_online_documents_v2(
            features=[f"{view}:{view}_digest"], top_k=10, **{asked: query}
        ).to_dict()
        assert len(found["review_id"]) == 10
        assert_exact(searching, view, query, found["review_id"], found["distance"])


def test_a_stored_text_is_at_no_distance_from_itself_to_the_bit(searching):
    _, store, _, texts = searching
    for key in (3, 57):
        found = store.retrieve_online_documents_v2(
            features=["review_whitened:whitened"], query=texts[key], top_k=1
        ).to_dict()
        assert found["review_id"] == [key]
        assert found["distance"] == [0.0]


def test_openai_search_answers_a_text_in_python(searching):
    _, store, _, _ = searching
    found = asyncio.run(store.openai_search("review_whitened", QUERIES[0], max_num_results=5))
    assert_scores(searching, "review_whitened", QUERIES[0], found)


def assert_scores(searching, view, query, found) -> None:
    """Compare with Feast's score of a distance: 1 / (1 + distance)."""
    keys = [int(one["file_id"].rsplit("_", 1)[1]) for one in found["data"]]
    assert len(keys) == 5
    scores = np.array([one["score"] for one in found["data"]])
    assert_exact(searching, view, query, keys, 1 / scores - 1)


@pytest.mark.parametrize("view", VIEWS)
def test_feasts_server_answers_a_text_as_openais_vector_stores_do(searching, served, view):
    stores = {one["name"]: one["id"] for one in served.get("/v1/vector_stores").json()["data"]}
    body = {"query": QUERIES[1], "max_num_results": 5}
    answer = served.post(f"/v1/vector_stores/{stores[view]}/search", json=body)
    assert answer.status_code == 200, answer.text
    assert_scores(searching, view, QUERIES[1], answer.json())


def test_feasts_search_endpoint_takes_a_text(searching, served):
    features = ["review_embedding:review_embedding_digest"]
    body = {"features": features, "query_string": QUERIES[2], "top_k": 5, "api_version": 2}
    answer = served.post("/search", json=body)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    names = said["metadata"]["feature_names"]
    values = {n: r["values"] for n, r in zip(names, said["results"], strict=True)}
    keys, distances = values["review_id"], values["distance"]
    assert_exact(searching, "review_embedding", QUERIES[2], keys, distances)


def test_feasts_mcp_server_answers_a_text(searching, served):
    pytest.importorskip("fastapi_mcp")
    view = "review_whitened"
    given = {"vector_store_id": feature_view_to_vs_id("reviews", view)}
    given |= {"query": QUERIES[3], "max_num_results": 5}
    found = asyncio.run(call_tool(f"{served.base_url}/mcp", "vector_store_search", given))
    assert_scores(searching, view, QUERIES[3], found)


async def call_tool(url: str, name: str, given: dict) -> dict:
    """Call the tool of an MCP server whose name begins so, as an agent would."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async with streamablehttp_client(url) as (read, write, _), ClientSession(read, write) as agent:
        await agent.initialize()
        tool = next(t for t in (await agent.list_tools()).tools if t.name.startswith(name))
        # Of "a text or a list" fastapi-mcp tells agents either, as its set's order has it.
        if tool.inputSchema["properties"]["query"]["type"] == "array":
            given = {**given, "query": [given["query"]]}
        answer = await agent.call_tool(tool.name, given)
    assert not answer.isError, answer.content
    return json.loads(answer.content[0].text)


def test_rows_past_their_ttl_are_not_found(searching):
    repo, store, *_ = searching
    nearest, _ = exact(searching, "review_whitened", QUERIES[0], TEXTS)
    view = store.get_feature_view("review_whitened")
    lasting, view.ttl = view.ttl, datetime.now(UTC) - day(0.595)  # 60 of them are older
    store.apply(view)
    try:
        store, valid = repo.store(), [key for key in nearest if key >= 60]
        assert set(nearest[:10]) - set(valid), "some of the nearest are older"
        found = store.retrieve_online_documents_v2(
            features=["review_whitened:whitened"], query=QUERIES[0], top_k=10
        ).to_dict()
        assert found["review_id"] == valid[:10]
        for how in ({}, {"exact": True}):
            ours = similar_texts(
                store, "review_whitened", text=QUERIES[0], k=TEXTS, metric="cosine", **how
            )
            assert set(ours["review_id"].to_pylist()) <= set(valid)
            assert ours.num_rows > 30
    finally:
        view.ttl = lasting
        store.apply(view)


@pytest.mark.parametrize(
    ("features", "query", "reason"),
    [
        (["review_embedding:embedding"], "  ", "a blank text"),
        (["review_embedding:embedding"], "a" * 1_000_000, "1,000,000 characters"),
    ],
)
def test_a_query_without_a_vector_is_refused(searching, features, query, reason):
    with pytest.raises(EmbfeastError, match=reason):
        searching[1].retrieve_online_documents_v2(features=features, query=query, top_k=3)


def test_vectors_of_another_recipe_are_not_compared_with_a_text(searching):
    """The last test: the new recipe is not materialized."""
    repo = searching[0]
    store = repo.apply(repo.fit(day(0.5), SETTINGS))
    with pytest.raises(EmbfeastError, match=r"recipe .*cannot be compared.*materialize"):
        store.retrieve_online_documents_v2(
            features=["review_whitened:whitened"], query=QUERIES[0], top_k=3
        )
