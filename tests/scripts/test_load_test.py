"""The load script against a server of this test's own."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import duckdb
import pytest

from embfeast import EmbfeastError
from load_test import load_test
from tests.scripts.conftest import ROOT

pytestmark = pytest.mark.slow


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(500 if body.get("fail") else 200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *words):
        pass


@pytest.fixture
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_every_kind_is_measured_in_closed_and_open_loops_within_the_bounds(url):
    asked = {"one": [{"a": 1}], "two": [{"a": 2}, {"a": 3}]}
    found = load_test(url, asked, clients=[1, 4], seconds=5, most=40, rate=200)
    assert [(one.kind, one.loop, one.clients) for one in found] == [
        ("one", "closed", 1),
        ("two", "closed", 1),
        ("one", "closed", 4),
        ("two", "closed", 4),
        ("one", "open", 0),
        ("two", "open", 0),
    ]
    assert all(one.requests == 40 and one.errors == 0 for one in found)
    assert all(0 < one.p50 <= one.p95 <= one.p99 for one in found)
    few = load_test(url, {"one": [{"a": 1}]}, clients=[1], seconds=0.2, most=10**9)
    assert 0 < few[0].requests < 10**6, "the time ends it"


def test_a_failed_request_is_counted(url):
    found = load_test(url, {"one": [{"a": 1}, {"fail": True}]}, clients=[2], seconds=5, most=10)
    assert (found[0].requests, found[0].errors) == (10, 5)


def test_only_this_machine_is_asked():
    with pytest.raises(EmbfeastError, match="is not on this machine"):
        load_test("http://example.com", {}, clients=[1])


def test_the_command_prints_json_alone_and_ends_with_1_where_nothing_answers(url, tmp_path):
    (tmp_path / "data").mkdir()
    with duckdb.connect(str(tmp_path / "data" / "tickets.duckdb")) as texts:
        texts.execute("CREATE TABLE tickets AS SELECT 1 AS ticket_id, 'Where is it?' AS body")
    script = [sys.executable, str(ROOT / "scripts" / "load_test.py"), "--repo", str(tmp_path)]
    script += ["--clients", "1", "--seconds", "2", "--most", "5", "--json", "--url"]
    ran = subprocess.run([*script, url], capture_output=True, text=True, check=True)
    assert {one["kind"] for one in json.loads(ran.stdout)} == {
        "plain",
        "stored",
        "lean",
        "pair",
        "new text",
    }
    closed = subprocess.run([*script, "http://127.0.0.1:9"], capture_output=True, text=True)
    assert closed.returncode == 1
    assert "requests failed" in closed.stderr
