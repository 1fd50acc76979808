"""Feature tables on a stand-in for Google's storage, through the library's own client for it."""

import json

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from embfeast import EmbfeastError
from embfeast.tables.place import Place
from embfeast.tables.table import Table, ensure_table
from tests.object_storage import HUSH, Server
from tests.tables.conftest import SCHEMA, use_a_table, use_files, write_at_once

pytestmark = pytest.mark.slow


def account(url: str) -> str:
    """Return a service account that is known by its key alone, at a server of one's own."""
    return json.dumps(
        {
            "type": "service_account",
            "gcs_base_url": url,
            "disable_oauth": True,
            "client_email": "someone",
            "private_key": HUSH,
            "private_key_id": "",
        }
    )


@pytest.fixture(scope="module")
def google():
    server = Server("tests.google_storage")
    config = Config(signature_version=UNSIGNED)
    client = boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", config=config)
    client.create_bucket(Bucket="features")
    yield server
    server.process.kill()
    server.process.wait()


@pytest.fixture
def bucket(google, monkeypatch):
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", account(google.url))
    return "gs://features"


def test_all_that_a_table_does_works_there(bucket):
    use_a_table(Place(f"{bucket}/views/t"))


def test_writers_at_once_store_every_row_once(bucket):
    write_at_once(Place(f"{bucket}/at_once/t"))


def test_files_beside_the_tables_are_written_listed_read_and_removed(bucket):
    use_files(f"{bucket}/recipes")


def test_a_bucket_or_a_table_that_is_not_there_is_said(bucket):
    with pytest.raises(EmbfeastError, match="the bucket does not exist; correct its name"):
        Table.open(Place("gs://nothing/t"))
    with pytest.raises(EmbfeastError, match="there is no feature table"):
        Table.open(Place(f"{bucket}/nothing"))


def test_no_permission_and_no_answer_are_said_in_googles_words(answering, monkeypatch):
    said = {answering(403, "AccessDenied"): "access was denied", "http://127.0.0.1:9": "not answer"}
    for url, message in said.items():
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", account(url))
        for act in (Table.open, lambda place: ensure_table(place, SCHEMA)):
            with pytest.raises(EmbfeastError, match=f"{message}; see GOOGLE_SERVICE") as raised:
                act(Place("gs://features/t"))
            assert HUSH not in str(raised.value)
            assert "\n" not in str(raised.value)
