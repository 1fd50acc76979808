"""`feast serve` on the sample repository: real servers, real requests."""

import asyncio
import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from feast import FeatureService, FeatureStore
from feast.errors import FeatureServiceNotFoundException
from feast.infra.registry import proto_registry_utils
from feast.repo_config import RepoConfig

from embfeast.commands import fit, materialize
from embfeast.plugin.feast_compat import keep_services
from embfeast.plugin.serving import Bounded
from tests.plugin.engine.test_entity_states import LASTING, SETTINGS, Stated
from tests.plugin.engine.test_histories import COLUMNS, sample_rows
from tests.scripts.conftest import ROOT
from tests.services import prometheus_of, wait_for
from tests.small_repository import day

sys.path.insert(0, str(ROOT / "scripts"))

from console import feast
from load_test import serving
from make_sample import make_sample

pytestmark = pytest.mark.slow
TEXT = "I was charged twice"
TRIAGE = {"feature_service": "triage", "entities": {"ticket_id": [17]}}
LIVE = {"feature_service": "triage_live", "entities": {"text": [TEXT]}}
PAIR = {"feature_service": "duplicates", "entities": {"ticket_id": [17], "other_ticket_id": [18]}}


@pytest.fixture(scope="module")
def repo(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("serving") / "feature_repo"
    ignored = shutil.ignore_patterns("data", "__pycache__")
    shutil.copytree(ROOT / "feature_repo", folder, ignore=ignored)
    make_sample(folder / "data" / "tickets.duckdb", 120, 7)
    fit.fit(folder)
    feast(folder, "apply")
    materialize.materialize(folder)
    return folder


@pytest.fixture(scope="module")
def client(repo):
    with serving(repo, metrics=True) as url, httpx.Client(base_url=url, timeout=600) as client:
        yield client


def ask(client, body) -> httpx.Response:
    return client.post("/get-online-features", json=body)


def values(answer: httpx.Response) -> dict[str, list]:
    assert answer.status_code == 200, answer.text
    said = answer.json()
    names = said["metadata"]["feature_names"]
    return {name: one["values"] for name, one in zip(names, said["results"], strict=True)}


def pushed(key: int, **change) -> dict:
    at = "2026-07-01T00:00:00Z"
    row = {"ticket_id": key, "subject": "Refund", "body": "I want my money back"}
    row |= {"customer_id": 3}
    row |= {"event_timestamp": at, "created_timestamp": at} | change
    return {"push_source_name": "ticket_text_push", "df": {k: [v] for k, v in row.items()}}


def metric(name: str) -> float:
    text = httpx.get("http://127.0.0.1:8000/metrics", timeout=10).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name))


def test_the_model_is_loaded_before_the_first_request(repo, client):
    assert "recipe and model loaded" in (repo / "data" / "serve.log").read_text()


def test_a_service_is_read_once_until_the_registry_changes(tmp_path, monkeypatch):
    read = proto_registry_utils.get_feature_service
    monkeypatch.setattr(proto_registry_utils, "get_feature_service", read)  # as it was, afterwards
    settings = {"registry": str(tmp_path / "registry.db"), "project": "p", "provider": "local"}
    store = FeatureStore(config=RepoConfig(**settings, entity_key_serialization_version=3))
    keep_services()
    store.registry.apply_feature_service(
        FeatureService(name="lean", features=[], description="old"), "p"
    )
    first, again = (store.get_feature_service("lean", allow_cache=True) for _ in range(2))
    assert first is again
    other = FeatureStore(config=store.config)  # as another process does
    other.registry.apply_feature_service(
        FeatureService(name="lean", features=[], description="new"), "p"
    )
    store.refresh_registry()
    assert store.get_feature_service("lean", allow_cache=True).description == "new"
    with pytest.raises(FeatureServiceNotFoundException):
        store.get_feature_service("nobody's", allow_cache=True)


def test_more_requests_at_a_time_than_a_worker_takes_are_refused_at_once():
    asyncio.run(ask_a_busy_worker())


async def ask_a_busy_worker() -> None:
    app, go_on, begun = FastAPI(), asyncio.Event(), []
    app.add_middleware(Bounded, most=2)

    @app.get("/slow")
    async def slow() -> None:
        begun.append("a request")
        await go_on.wait()

    @app.get("/fault")
    async def fault() -> None:
        raise RuntimeError

    @app.get("/health")
    async def health() -> None: ...

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
        for _ in range(3):  # none of these takes a place for good
            assert (await client.get("/fault")).status_code == 500
        async with asyncio.TaskGroup() as running:
            waiting = [running.create_task(client.get("/slow")) for _ in range(2)]
            while len(begun) < 2:
                await asyncio.sleep(0)
            refused = await client.get("/slow")
            assert refused.headers["Retry-After"] == "1"
            assert "2 requests are under way" in refused.json()["detail"]
            assert (await client.get("/health")).status_code == 200
            go_on.set()
        assert [one.result().status_code for one in waiting] == [200, 200]
        assert (await client.get("/slow")).status_code == 200


def test_stored_pair_and_new_text_are_answered_with_their_status(client):
    assert values(ask(client, TRIAGE))["embfeast_status"] == ["current"]
    assert values(ask(client, PAIR))["pair"][0] is not None
    assert values(ask(client, LIVE))["embedding"][0] is not None


def test_a_served_text_has_the_features_that_a_push_of_it_stores(client):
    assert client.post("/push", json=pushed(700)).status_code == 200
    stored = values(ask(client, {"feature_service": "triage", "entities": {"ticket_id": [700]}}))
    text = "Refund\nI want my money back"
    live = values(ask(client, {"feature_service": "triage_live", "entities": {"text": [text]}}))
    common = live.keys() & stored.keys()
    assert "embedding" in common
    assert {name: live[name] for name in common} == {name: stored[name] for name in common}


@pytest.fixture
def written(tmp_path) -> Stated:
    """A repository whose writers have states, with the files that a server reads."""
    repo = Stated(tmp_path / "repo")
    repo.write_texts(sample_rows())
    repo.apply(repo.fit(day(8), SETTINGS)).materialize(day(-1), day(20))
    settings = (ROOT / "feature_repo" / "feature_store.yaml").read_text()
    project = settings.splitlines()[0]
    (repo.path / "feature_store.yaml").write_text(settings.replace(project, "project: reviews"))
    shutil.copy(ROOT / "feature_repo" / "static_artifacts.py", repo.path)
    return repo


def test_a_text_and_who_writes_it_have_the_history_that_a_push_of_it_stores(written):
    text, at = "what a writes now", "2026-03-14T00:00:00.000001+00:00"
    asked = {"writer": ["a", "new"], "text": [text] * 2, "at": [at] * 2}
    row = dict(zip(COLUMNS, [100, text, at, at, "a"], strict=True))
    pushed = {"push_source_name": "review_push", "df": {k: [v] for k, v in row.items()}}
    with serving(written.path) as url, httpx.Client(base_url=url, timeout=600) as client:

        def service(name, entities):
            return ask(client, {"feature_service": name, "entities": entities})

        live = values(service("live", asked))
        assert client.post("/push", json=pushed).status_code == 200
        stored = values(service("all", {"review_id": [100]}))
        for name in LASTING:
            assert live[name][:1] == stored[name], name
        assert live["history_log_count"][1] == 0
        state = values(service("states", {"writer": ["a", "new"]}))
        assert state["history_state_count"] == [4, None]
        kept = written.state(written.store(), "a")
        assert state["history_state_mean"][0] == kept["mean"]
        assert "is not after what is stored" in service("live", asked).text
        for wrong in ({"text": [text], "at": [at]}, {**asked, "writer": [None, "a"]}):
            refused = service("live", wrong)
            assert refused.status_code == 422
            assert "'writer'" in refused.text


def test_an_unknown_key_is_answered_with_nulls_and_said_to_be_missing(client):
    found = values(ask(client, {**TRIAGE, "entities": {"ticket_id": [99_999]}}))
    assert found["embfeast_status"] == ["missing"]
    assert found["embedding"] == [None]


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        ({**LIVE, "entities": {}}, 422, "the request has no rows"),
        ({**LIVE, "entities": {"ticket_id": [1]}}, 422, "lacks the column 'text'"),
        ({**LIVE, "entities": {"text": [42]}}, 422, "is int, not text"),
        ({**LIVE, "entities": {"text": [{"a": 1}]}}, 422, "is dict, not text"),
        ({**LIVE, "entities": {"text": "alone"}}, 422, "valid list"),
        ({**LIVE, "entities": {"text": ["a" * 1_000_000]}}, 413, "1,000,000 characters"),
        ({**TRIAGE, "feature_service": "none"}, 404, "none does not exist"),
        ({**TRIAGE, "entities": {"ticket_id": ["abc"]}}, 422, "'abc'"),
        ({**TRIAGE, "entities": {"ticket_id": [{"a": 1}]}}, 422, "'ticket_id' of row 0 is a dict"),
        ({**TRIAGE, "entities": {"tickt": [1]}}, 422, "lacks the key 'ticket_id'"),
        (
            {**PAIR, "entities": {"ticket_id": [1, 2], "other_ticket_id": [1]}},
            422,
            "different numbers",
        ),
        ({"entities": {"ticket_id": [1]}}, 422, "asks for no features"),
    ],
)
def test_a_bad_request_is_answered_with_the_reason_and_keeps_the_connection(
    client, body, code, reason
):
    answer = ask(client, body)
    assert answer.status_code == code, answer.text
    assert reason in answer.text
    assert answer.headers.get("connection") != "close"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (pushed(701, body=4), "is int, not text"),
        (pushed(701, event_timestamp="soon"), "'soon' is no time"),
        (pushed(None), "'ticket_id' of row 0 is null"),
        ({**pushed(701), "push_source_name": "none"}, "'none'"),
        ({**pushed(701), "to": "nowhere"}, "nowhere"),
        ({**pushed(701), "df": {"ticket_id": [701]}}, "subject"),
        ({**pushed(701), "df": pushed(701)["df"] | {"ticket_id": [1, 2]}}, "same length"),
    ],
)
def test_a_bad_push_is_answered_with_the_reason_and_stores_nothing(client, body, reason):
    answer = client.post("/push", json=body)
    assert answer.status_code == 422, answer.text
    assert reason in answer.text
    found = values(ask(client, {**TRIAGE, "entities": {"ticket_id": [701]}}))
    assert found["embfeast_status"] == ["missing"]


def test_a_malformed_body_is_refused_and_bad_requests_harm_no_other(client):
    broken = client.post("/get-online-features", content=b"{no")
    assert broken.status_code == 422
    expected = [values(ask(client, body)) for body in (TRIAGE, LIVE)]
    huge = {**LIVE, "entities": {"text": ["a" * 1_000_000]}}
    mixed = [TRIAGE, {**LIVE, "entities": {"text": [3]}}, LIVE, huge] * 6
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: ask(client, body), mixed))
    assert [answer.status_code for answer in answers] == [200, 422, 200, 413] * 6
    assert all(values(answer) == expected[0] for answer in answers[::4])
    assert all(values(answer) == expected[1] for answer in answers[2::4])


def test_counts_of_texts_are_among_the_metrics_of_feast(client):
    names = ("embfeast_texts_encoded", "embfeast_null_texts", "embfeast_cache_hits")
    before = {name: metric(f"{name}_total") for name in names}
    ask(client, {**LIVE, "entities": {"text": [f"never seen {time.time()}", None, " "]}})
    assert client.post("/push", json=pushed(702, body="only here")).status_code == 200
    assert client.post("/push", json=pushed(703, body="only here")).status_code == 200
    grown = {name: metric(f"{name}_total") - before[name] for name in names}
    assert grown == {
        "embfeast_texts_encoded": 2,  # the live one, and the pushed text once
        "embfeast_null_texts": 2,
        "embfeast_cache_hits": 3,  # the second push, and the customer's state after each
    }
    assert metric("embfeast_version_mismatches_total") == 0
    assert metric('feast_push_request_total{mode="online"') >= 2


def test_several_workers_each_have_the_model_and_give_the_same_answers(repo, client):
    expected = values(ask(client, LIVE))
    with serving(repo, workers=2) as url, httpx.Client(base_url=url, timeout=600) as other:
        log, until = repo / "data" / "serve.log", time.monotonic() + 120
        while log.read_text().count("recipe and model loaded") < 2:  # the first answers already
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        for _ in range(6):
            assert values(ask(other, LIVE)) == expected


def test_every_query_of_the_dashboard_is_answered_from_a_scrape(client, tmp_path):
    drawn = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text())["panels"]
    queries = [target["expr"] for panel in drawn for target in panel["targets"]]

    def work():
        values(ask(client, TRIAGE))
        assert ask(client, TRIAGE | {"feature_service": "nothing"}).status_code == 404
        assert client.post("/push", json=pushed(17)).status_code == 200

    def answer(query: str) -> str:
        query = query.replace("$__rate_interval", "1m")
        asked = ["promtool", "query", "instant", url, query]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout

    def all_answered():
        work()
        empty = [query for query in queries if not answer(query) or "NaN" in answer(query)]
        assert not empty, empty

    with prometheus_of("127.0.0.1:8000", tmp_path) as url:
        wait_for(all_answered, (AssertionError, subprocess.CalledProcessError))
