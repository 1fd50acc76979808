"""The door of HTTP: any body is answered right, or with a 4xx and its reason; never with a 5xx."""

import itertools
import json
import sys

import httpx2 as httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doors import WHOLE
from tests.doors.known import FEATURE, Known
from tests.doors.values import whole_number
from tests.scripts.conftest import ROOT
from tests.small_repository import copied

sys.path.insert(0, str(ROOT / "scripts"))

from load_test import serving

pytestmark = pytest.mark.slow
SETTINGS = """project: reviews
provider: embfeast.plugin.TextFeatureProvider
registry:
  path: data/registry.db
  registry_store_type: embfeast.plugin.AtomicFileRegistryStore
online_store: {type: sqlite, path: data/online.db}
offline_store: {type: embfeast.plugin.DuckDBOfflineStore}
batch_engine: {type: embfeast.plugin.EmbeddingComputeEngine}
entity_key_serialization_version: 3
"""
ARTIFACTS = """from pathlib import Path
from embfeast.plugin.serving import prepare

def load_artifacts(app):
    prepare(app, recipes=Path(__file__).parent / "data" / "recipes")
"""
fresh = itertools.count(1_000)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 13),
    st.floats(-2, 13),
    st.integers(0, 11).map(float),
    st.sampled_from([2**63, 2**70, -(2**63) - 1, 1e300, 2.0**53, float("inf"), float("nan")]),
    st.sampled_from(["3", "3.0", "", "text", "\ud800", "列", "2026-03-05T10:00:00Z", "soon"]),
    st.text(max_size=3),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)
lists = st.lists(values, max_size=3)
references = st.one_of(
    st.just(FEATURE),
    st.sampled_from(
        [
            *["review_live:embedding", "review_pair:pair", "review_text:body", "review_reduced:no"],
            *["nocolon", ":", "", "no:reduced", "review_reduced@v2:reduced", "review_live:no"],
            *["review_reduced:review_id", "review:reduced", "\ud800:a", "a:b:c"],
        ]
    ),
)
lookups = st.fixed_dictionaries(
    {
        "features": st.lists(references, max_size=3),
        "entities": st.dictionaries(
            st.sampled_from(["review_id", "other_review_id", "text", "note", "review", ""]), lists
        ),
    },
    optional={"feature_service": st.sampled_from(["all", "live", "no", "", None, 3])},
)
GOOD = {
    "/get-online-features": {"features": [FEATURE], "entities": {"review_id": [3]}},
    "/push": {"push_source_name": "no", "df": {"review_id": [3]}, "to": "online"},
    "/write-to-online-store": {
        "feature_view_name": "review_whitened",
        "df": {"review_id": [3], "whitened": [[1.0, 2.0]], "event_timestamp": ["2026-03-05"]},
    },
    "/search": {"features": [FEATURE], "query": [1.0, 2.0, 3.0, 4.0], "top_k": 2},
}


@pytest.fixture(scope="module")
def server(pushable, tmp_path_factory):
    repo, _, fitted = copied(pushable, tmp_path_factory.mktemp("http"))
    (repo.path / "feature_store.yaml").write_text(SETTINGS)
    (repo.path / "static_artifacts.py").write_text(ARTIFACTS)
    with serving(repo.path) as url, httpx.Client(base_url=url, timeout=600) as client:
        yield client, Known(fitted), fitted


def post(client, path, body) -> httpx.Response:
    content = json.dumps(body).encode()
    answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, (path, body, answer.text)
    assert answer.status_code == 200 or answer.json()["detail"]
    return answer


def found(answer) -> dict[str, list]:
    said = answer.json()
    names = said["metadata"]["feature_names"]
    return {name: one["values"] for name, one in zip(names, said["results"], strict=True)}


@WHOLE
@given(keys=st.lists(scalars, min_size=1, max_size=3), more=st.dictionaries(st.text(), lists))
def test_a_lookup_is_what_a_loop_finds_or_refused(server, keys, more):
    client, known, _ = server
    entities = {**more, "review_id": keys}
    answer = post(client, "/get-online-features", {"features": [FEATURE], "entities": entities})
    if answer.status_code != 200:
        return
    for key, vector in zip(keys, found(answer)["reduced"], strict=True):
        want = known.newest(key)
        assert whole_number(key) is not None
        assert (vector is None) == (want is None)
        assert want is None or np.array_equal(np.float32(vector), np.float32(want))


@WHOLE
@given(body=lookups)
def test_any_lookup_has_an_answer_or_a_reason(server, body):
    post(server[0], "/get-online-features", body)


@WHOLE
@given(path=st.sampled_from(sorted(GOOD)), change=st.data())
def test_any_change_of_a_body_has_an_answer_or_a_reason(server, path, change):
    body = dict(GOOD[path])
    name = change.draw(st.sampled_from([*body, "feature_service", "to", "api_version", "top_k"]))
    if isinstance(body.get(name), dict) and change.draw(st.booleans()):
        column = change.draw(st.sampled_from([*body[name], "more"]))
        body[name] = {**body[name], column: change.draw(values)}
    else:
        body[name] = change.draw(values)
    post(server[0], path, body)


row = st.fixed_dictionaries(
    {},
    optional={
        "review_id": scalars.filter(lambda key: whole_number(key) is None) | values,
        "title": values,
        "body": values,
        "written_at": values,
        "known_at": values,
        "more": values,
    },
)


@WHOLE
@given(change=row, whole=st.booleans())
def test_a_pushed_row_is_served_or_refused(server, change, whole):
    client, _, fitted = server
    key = next(fresh)
    at = "2026-03-13T00:00:00Z"
    good = {"review_id": key, "title": "refund", "body": f"number {key % 40}"}
    pushed = good | {"written_at": at, "known_at": at} | change
    if whole_number(pushed["review_id"]) is not None:
        pushed["review_id"] = float(key) if whole else key
    df = {name: [value] for name, value in pushed.items()}
    answer = post(client, "/push", {"push_source_name": "review_push", "df": df})
    if not change:
        assert answer.status_code == 200
    if answer.status_code != 200:
        return
    assert whole_number(pushed["review_id"]) == key
    parts = [pushed["title"], pushed["body"]]
    text = "\n".join(part for part in parts if part and part.strip()) or None
    body = {"features": [FEATURE], "entities": {"review_id": [key]}}
    got = found(post(client, "/get-online-features", body))["reduced"][0]
    text = text and text.encode(errors="replace").decode()
    want = fitted.values([text], entries=["reduced"])["reduced"][0]
    assert (got is None) == (want is None)
    assert want is None or np.allclose(got, want, atol=1e-6)
