"""Online stores for tests that no machine has by itself: DynamoDB, and PostgreSQL with pgvector."""

import importlib.util
from pathlib import Path

import pytest

from tests.object_storage import HUSH, Door


@pytest.fixture(scope="module")
def keys_of_amazon():
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "someone")
        environment.setenv("AWS_SECRET_ACCESS_KEY", HUSH)
        environment.setenv("AWS_MAX_ATTEMPTS", "6")  # in one and a half seconds; of 10 it takes 25
        yield


@pytest.fixture
def own_dynamodb(server, keys_of_amazon):
    """A DynamoDB that a test may stop."""
    door = Door(server)
    yield door
    door.stop()


@pytest.fixture(scope="module")
def dynamodb(server, keys_of_amazon):
    return dynamodb_store(server.url)


def dynamodb_store(url, **more):
    """Return what feature_store.yaml says of a DynamoDB."""
    return {"type": "dynamodb", "region": "eu-central-1", "endpoint_url": url, **more}


@pytest.fixture(scope="module")
def pgvector():
    """A PostgreSQL with the extension pgvector: the one that the package pgserver carries."""
    # Its client is not where the main job alone is run, on other Pythons.
    from tests.services import OwnPostgres, lacking

    found = importlib.util.find_spec("pgserver")
    if found is None:
        lacking("no PostgreSQL with pgvector: pgserver is not installed")
    server = OwnPostgres(Path(found.origin).parent / "pginstall" / "bin").start()
    with server.connect() as connection:
        connection.execute("CREATE EXTENSION vector")
    yield {
        "type": "postgres",
        "vector_enabled": True,
        "host": "127.0.0.1",
        "port": server.port,
        "database": "postgres",
        "sslmode": "disable",
        "user": server.user,
        "password": server.password,
    }
    server.remove()
