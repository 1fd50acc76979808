"""What is written to DynamoDB, what it refuses, and what it leaves undone, on a server here."""

import asyncio
import copy
import json
import uuid

import boto3
import pyarrow as pa
import pytest
from feast import RepoConfig
from feast.infra.online_stores.dynamodb import DynamoDBOnlineStore

from embfeast import EmbfeastError
from embfeast.plugin.feast_compat import dynamodb_client, read_whole_answers
from embfeast.plugin.online import dynamodb as writer
from embfeast.plugin.online.proto_rows import entity_keys, proto_rows
from embfeast.plugin.online.servers import call_online, online_server
from embfeast.plugin.online.write import bulk_writer, empty_online, erase_online, write_online
from tests.object_storage import HUSH, server_that_answers
from tests.plugin.online.test_sqlite import rows, view
from tests.plugin.test_online_stores import ServerRepo
from tests.small_repository import day, sample_rows

pytestmark = pytest.mark.slow
REGION = "eu-central-1"


def store_of(folder, online, one):
    config = RepoConfig(
        project=f"p{uuid.uuid4().hex[:8]}",
        provider="local",
        registry=str(folder / "r.db"),
        online_store=online,
        entity_key_serialization_version=3,
    )
    store = read_whole_answers(DynamoDBOnlineStore())
    store.update(config, [], [one], [], [], partial=False)
    return config, store


@pytest.fixture
def made(dynamodb, tmp_path):
    one = view("whole")
    return *store_of(tmp_path, dynamodb, one), one


def content(config, one):
    place = {"region_name": REGION, "endpoint_url": config.online_store.endpoint_url}
    pages = boto3.client("dynamodb", **place).get_paginator("scan")
    found = pages.paginate(TableName=f"{config.project}.{one.name}")
    items = [item for page in found for item in page["Items"]]
    return sorted(items, key=lambda item: item["entity_id"]["S"])


def read(config, store, one, table, asked=("vector",)):
    return store.online_read(config, one, entity_keys(table, one), list(asked))


@pytest.mark.parametrize("keys", [("whole",), ("word",), ("whole", "word")])
def test_the_items_are_what_feasts_own_write_makes_to_the_byte(dynamodb, tmp_path, rng, keys):
    one, table = view(*keys), rows(rng, 300)
    config, store = store_of(tmp_path, dynamodb, one)
    assert bulk_writer(config, store) is writer
    write_online(config, store, one, [table], table.num_rows)
    ours = content(config, one)
    assert len(ours) == 300
    other, store = store_of(tmp_path, dynamodb, one)
    store.online_write_batch(other, one, proto_rows(table, one), None)
    assert content(other, one) == ours


def test_keys_are_erased_one_by_one_and_then_all(made, rng):
    config, store, one = made
    table = rows(rng, 60)
    write_online(config, store, one, [table], 60)
    erase_online(config, store, one, table.slice(0, 30))
    assert [moment is None for moment, _ in read(config, store, one, table)] == [True] * 30 + (
        [False] * 30
    )
    assert empty_online(config, store, one) == 30
    assert content(config, one) == []
    store.update(config, [one], [], [], [], partial=True)
    assert empty_online(config, store, one) == 0, "no table, no rows"


def large(rows: int, size: int) -> pa.Table:
    made = pa.table({"whole": range(rows), "digest": ["x" * size] * rows})
    none = {"vector": pa.list_(pa.float32()), "cluster": pa.int64(), "distance": pa.float32()}
    for name, kind in none.items():
        made = made.append_column(name, pa.nulls(rows, kind))
    for name in ("event_timestamp", "created_timestamp"):
        made = made.append_column(name, pa.array([day(1)] * rows, pa.timestamp("us", tz="UTC")))
    return made


def test_a_row_that_is_too_large_is_named_by_its_key_and_no_row_is_sent(made):
    config, store, one = made
    write_online(config, store, one, [large(1, 400_000)], 1)
    given = pa.concat_tables([large(3, 10), large(4, 400 * 1024).slice(3)])
    with pytest.raises(EmbfeastError, match=r"view 'v': .*\{'whole': 3\} takes 409,\d+ bytes"):
        write_online(config, store, one, [given], 4)
    assert len(content(config, one)) == 1


def test_rows_that_there_was_no_capacity_for_are_sent_again(made, rng, monkeypatch):
    config, store, one = made
    table, client = rows(rng, 120), dynamodb_client(store, config)
    original, sizes = client.batch_write_item, []

    def half(RequestItems):
        (name, requests), *_ = RequestItems.items()
        kept, left = requests[: len(requests) // 2 + 1], requests[len(requests) // 2 + 1 :]
        sizes.append(len(requests))
        original(RequestItems={name: kept})
        return {"UnprocessedItems": {name: left} if left else {}}

    monkeypatch.setattr(writer, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(client, "batch_write_item", half)
    write_online(config, store, one, [table], 120)
    assert {25, 12, 5, 2} <= set(sizes)
    assert len(content(config, one)) == 120

    def none(RequestItems):
        return {"UnprocessedItems": RequestItems}

    monkeypatch.setattr(client, "batch_write_item", none)
    with pytest.raises(EmbfeastError, match=r"DynamoDB at 127.0.0.1:\d+ in region .*no capacity"):
        write_online(config, store, one, [table], 120)


def test_keys_that_were_left_unread_are_an_error_and_not_missing_rows(made):
    config, store, one = made
    table = large(44, 390_000)  # 16 MiB is the most of one answer
    write_online(config, store, one, [table], 44)

    def look_up():
        return read(config, store, one, table, ["digest"])

    with pytest.raises(EmbfeastError, match=r"no capacity left .*1 keys .*lower `batch_size`"):
        call_online(config, store, look_up, tries=1)
    config.online_store.batch_size = 20
    found = call_online(config, store, look_up, tries=1)
    assert {len(values["digest"].string_val) for _, values in found} == {390_000}


@pytest.mark.parametrize("batch_size", [100, 10])
def test_a_row_without_any_of_the_features_asked_for_has_nulls(made, rng, batch_size):
    config, store, one = made
    config.online_store.batch_size = batch_size
    write_online(config, store, one, [rows(rng)], 50)
    found = read(config, store, one, rows(rng), ["of_a_later_recipe"])
    assert [values for _, values in found] == [{}] * 50


@pytest.fixture(scope="module")
def applied(dynamodb, tmp_path_factory):
    folder = tmp_path_factory.mktemp("applied") / "repo"
    repo = ServerRepo(folder, f"p{uuid.uuid4().hex[:8]}", dynamodb)
    repo.write_texts(sample_rows())
    store = repo.apply(repo.fit(day(8)))
    store.materialize(day(-1), day(20))
    return repo, store


def test_an_asynchronous_lookup_answers_the_same(applied):
    repo, store = applied
    asked = [{"review_id": key} for key in [*range(12), 999]]
    service = store.get_feature_service("all")

    async def look_up():
        try:
            return await store.get_online_features_async(service, asked)
        finally:
            await store.close()

    assert asyncio.run(look_up()).to_dict() == repo.lookup(store, [*range(12), 999])


def refused(applied, **online) -> str:
    repo = copy.copy(applied[0])
    repo.online_store = repo.online_store | online
    with pytest.raises(EmbfeastError, match=r"feature_store\.yaml") as caught:
        repo.store().materialize(day(-1), day(20))
    assert HUSH not in str(caught.value)
    return str(caught.value)


def test_another_region_has_no_tables_and_one_that_is_none_is_said(applied):
    said = refused(applied, region="us-east-1")
    assert "in region us-east-1 lacks a table in this region; run `feast apply`" in said
    assert "no region is called so" in refused(applied, region="no region")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("UnrecognizedClientException", "does not know the access key; see AWS_ACCESS_KEY_ID"),
        ("InvalidSignatureException", "refused the secret key, or this machine's clock is wrong"),
        ("ExpiredTokenException", "the session has expired; see AWS_SESSION_TOKEN"),
        ("AccessDeniedException", "does not permit this user that"),
    ],
)
def test_what_amazon_refuses_is_one_clear_error_without_a_secret(applied, monkeypatch, code, said):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-long-token")
    kind = f"com.amazon.coral.service#{code}"
    told = f"the token a-long-token and {HUSH}\nThe Canonical String was {HUSH}"
    with server_that_answers(400, json.dumps({"__type": kind, "message": told})) as port:
        found = refused(applied, endpoint_url=f"http://127.0.0.1:{port}")
    assert f"DynamoDB at 127.0.0.1:{port} in region {REGION} " in found
    assert said in found
    assert "a-long-token" not in found


def test_without_credentials_that_is_said(applied, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which has found them already
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in refused(applied)


def test_the_server_is_named_as_amazons_client_finds_it(monkeypatch, tmp_path):
    config = RepoConfig(
        project="p",
        provider="local",
        registry=str(tmp_path / "r.db"),
        online_store={"type": "dynamodb", "region": REGION},
        entity_key_serialization_version=3,
    )
    assert online_server(config) == f"DynamoDB in region {REGION}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://someone:{HUSH}@here:8000")
    assert online_server(config) == f"DynamoDB at here:8000 in region {REGION}"
