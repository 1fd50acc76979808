"""`feast ui` on the sample repository, as a person sees it in a browser."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.browser import browser, page  # noqa: F401
from tests.scripts.test_feature_repo import Shell

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ui(tmp_path_factory, request):
    """The address of `feast ui` on the applied sample, and the recipe's digest."""
    request.getfixturevalue("browser")  # without one, nothing needs to be made
    if "grpc" not in sys.modules and os.environ.get("EMBFEAST_REQUIRE_SERVICES") != "1":
        pytest.importorskip("grpc", reason="feast ui needs feast[grpcio]")
    shell = Shell(tmp_path_factory.mktemp("ui"))
    shell("fit.py")
    shell("feast", "apply")
    digest = (shell.folder / "feature_repo/data/recipes/current").read_text().strip()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(Path(sys.executable).with_name("feast"))
    log = (shell.folder / "ui.log").open("w")
    running = subprocess.Popen(
        [program, "-c", "feature_repo", "ui", "--host", "127.0.0.1", "--port", str(port)],
        cwd=shell.folder,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/projects-list.json", running, shell.folder / "ui.log")
        yield address, digest
    finally:
        running.terminate()
        running.wait(20)
        log.close()


def _wait_for(url: str, running: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        assert running.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                json.load(answer)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"feast ui did not start: {log.read_text()}")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("p/tickets/entity/ticket", ["ticket_id", "INT64", "A support ticket", "ticket_whitened"]),
        ("p/tickets/data-source/tickets", ["CUSTOM_SOURCE", "ticket_text"]),
        (
            "p/tickets/feature-view/ticket_whitened",
            [
                "The embedding with its directions equalised",
                "support-ml",
                "embfeast.digest",
                "{digest}",
                "data/features/ticket_whitened/{digest}",
                "all-MiniLM-L6-v2",
                "triage",
            ],
        ),
        ("p/tickets/feature-view/ticket_live", ["live_features", "{digest}", "similarity_billing"]),
        ("p/tickets/feature-view/ticket_pair", ["other_ticket_reduced", "duplicates", "{digest}"]),
        ("p/tickets/feature-service/triage", ["ticket_cluster", "similarity_billing"]),
    ],
)
def test_a_page_shows_what_an_object_says_of_itself(ui, page, tmp_path, path, shown):  # noqa: F811
    address, digest = ui
    page.page.goto(f"{address}/{path}")
    for words in shown:
        page.page.get_by_text(words.format(digest=digest)).first.wait_for(timeout=120_000)
    page.page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert (tmp_path / "page.png").stat().st_size > 10_000
    assert page.errors == []
    assert page.outside() == [], "the UI needs no network"


def test_the_lineage_leads_from_the_texts_to_the_services(ui, page, tmp_path):  # noqa: F811
    address, _ = ui
    page.page.goto(f"{address}/p/tickets/lineage")
    for node in ("tickets", "ticket_text", "ticket_whitened", "ticket_pair", "triage_live"):
        page.page.locator(".react-flow__node", has_text=node).first.wait_for(timeout=120_000)
    page.page.screenshot(path=tmp_path / "lineage.png")
    # Feast's page always asks for an OpenLineage server too, which the sample has not got.
    assert [error for error in page.errors if "openlineage" not in error] == []
    assert page.outside() == []
