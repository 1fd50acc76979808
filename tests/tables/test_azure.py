"""Feature tables on Azurite, Microsoft's own stand-in for Azure's blob storage.

It comes from npm and not from a Python registry, so that it is used where somebody has put it:
``npm install azurite`` and its folder ``node_modules/.bin`` on the path.
"""

import base64
import hashlib
import hmac
import os
import shutil
import subprocess
from email.utils import formatdate
from http.client import HTTPConnection

import pytest

from embfeast import EmbfeastError
from embfeast.tables.place import Place
from embfeast.tables.table import Table
from tests.object_storage import wait_for
from tests.tables.conftest import use_a_table, use_files, write_at_once

AZURITE = shutil.which("azurite-blob")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(AZURITE is None, reason="azurite-blob is not on the path"),
]
PORT = 10_000  # the only one at which the library looks for it
ACCOUNT = "devstoreaccount1"  # Azurite's own
KEY = base64.b64encode(b"known to everybody").decode()


@pytest.fixture(scope="module")
def azurite(tmp_path_factory):
    folder = tmp_path_factory.mktemp("azurite")
    words = [AZURITE, "--silent", "--skipApiVersionCheck", "--location", folder]
    server = subprocess.Popen(
        [*words, "--blobPort", str(PORT)],
        env=os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(PORT)
        make_container("features")
        yield
    finally:
        server.kill()
        server.wait()


def make_container(name):
    """Ask for a container by a request signed with the account's key."""
    told = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    lines = [f"{key}:{value}" for key, value in told.items()]
    path = f"/{ACCOUNT}/{name}"
    text = "\n".join(["PUT", *[""] * 11, *lines, f"/{ACCOUNT}{path}", "restype:container"])
    signed = hmac.digest(base64.b64decode(KEY), text.encode(), hashlib.sha256)
    told["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signed).decode()}"
    asked = HTTPConnection("127.0.0.1", PORT)
    asked.request("PUT", f"{path}?restype=container", headers=told)
    assert asked.getresponse().status == 201
    asked.close()


@pytest.fixture
def container(azurite, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    return "az://features"


def test_all_that_a_table_does_works_there(container):
    use_a_table(Place(f"{container}/views/t"))


def test_writers_at_once_store_every_row_once(container):
    write_at_once(Place(f"{container}/at_once/t"))


def test_files_beside_the_tables_are_written_listed_read_and_removed(container):
    use_files(f"{container}/recipes")


def test_a_wrong_key_and_a_container_that_is_not_there_are_said_in_azures_words(
    container, monkeypatch
):
    with pytest.raises(EmbfeastError, match="the container does not exist; correct its name"):
        Table.open(Place("az://nothing/t"))
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "AAAA" + KEY[4:])
    with pytest.raises(EmbfeastError, match="denied; see AZURE_STORAGE_ACCOUNT_KEY") as raised:
        Table.open(Place(f"{container}/views/t"))
    assert KEY[4:] not in str(raised.value)
