"""An S3 server on this machine for tests: a process of its own that speaks the protocol."""

import contextlib
import socket
import subprocess
import sys
import time

import pytest

HUSH = "hush-hush"


def wait_for(port: int) -> None:
    """Wait until a server of this machine takes connections."""
    for _ in range(600):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.1)
    raise AssertionError("the server did not start")


class Server:
    """An S3 server whose content outlives its sleep: SIGSTOP is a server that does not answer.

    Or another module's, which is told address and port in the same words.
    """

    def __init__(self, module: str = "moto.server") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        words = [sys.executable, "-m", module, "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def server():
    made = Server()
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture(scope="module")
def bucket(server):
    settings = {
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": HUSH,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ALLOW_HTTP": "true",
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(name, value)
        import boto3  # not where the main job alone is run, on other Pythons

        client = boto3.client(
            "s3",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="someone",
            aws_secret_access_key=HUSH,
        )
        client.create_bucket(Bucket="features")
        yield "s3://features"


# A process of its own: the library waits for an answer without letting other threads run.
REFUSING = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
status, code, hush = sys.argv[1:]
body = f"<Error><Code>{code}</Code><Message>{hush}</Message></Error>".encode()
class Answer(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(body)
    do_PUT = do_POST = do_GET
server = HTTPServer(("127.0.0.1", 0), Answer)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def answering(bucket, monkeypatch):
    """Let another server answer, to everything the same, as a server of Amazon's says no."""
    made = []

    def answer(status, code):
        words = [sys.executable, "-c", REFUSING, str(status), code, HUSH]
        made.append(
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        )
        port = made[0].stdout.readline().strip()
        url = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        return url

    yield answer
    for one in made:
        one.kill()
        one.communicate()
