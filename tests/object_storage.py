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


def signalled(
    process: subprocess.Popen, *names: str, times: int = 4, after: float = 0.3
) -> subprocess.Popen:
    """Send a process its signals, a second apart, so many times, from a process of its own.

    Another thread would not do: while the library waits for an answer, no other one runs.
    """
    once = "; sleep 1; ".join(f"kill -{name} {process.pid}" for name in names)
    words = f"for _ in $(seq {times}); do sleep {after}; {once}; done"
    return subprocess.Popen(["sh", "-c", words])


def dropping(door: "Door") -> subprocess.Popen:
    """Drop the connections of a door every 20 ms, for four seconds."""
    return signalled(door.process, "USR1", times=200, after=0.02)


class Server:
    """A server that speaks as Amazon's S3 and DynamoDB do.

    Its content outlives its sleep: SIGSTOP is a server that does not answer.
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


# A process of its own, as the one below.
FORWARDING = """
import asyncio, signal, sys
own, other = map(int, sys.argv[1:])
open_ones = set()
def drop():
    for one in open_ones:
        one.transport.abort()
async def pour(reader, writer):
    open_ones.add(writer)
    try:
        while some := await reader.read(2**16):
            writer.write(some)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        open_ones.discard(writer)
        writer.close()
async def meet(reader, writer):
    reader_there, writer_there = await asyncio.open_connection("127.0.0.1", other)
    await asyncio.gather(pour(reader, writer_there), pour(reader_there, writer))
async def serve():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, drop)
    await (await asyncio.start_server(meet, "127.0.0.1", own)).serve_forever()
asyncio.run(serve())
"""


class Door:
    """The way to a server: whoever comes while it is shut is refused, and nothing is lost.

    SIGUSR1 drops every connection that is open.
    """

    password = HUSH

    def __init__(self, server: Server) -> None:
        self.behind = server
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = [sys.executable, "-c", FORWARDING, str(self.port), str(self.behind.port)]
        self.process = subprocess.Popen(words)
        wait_for(self.port)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


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
status, body = int(sys.argv[1]), sys.argv[2].encode()
class Answer(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(status)
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


@contextlib.contextmanager
def server_that_answers(status, body):
    """Run a server that answers everything the same, and give its port."""
    words = [sys.executable, "-c", REFUSING, str(status), body]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def answering(bucket, monkeypatch):
    """Let another server answer, to everything the same, as a server of Amazon's says no."""
    with contextlib.ExitStack() as made:

        def answer(status, code):
            body = f"<Error><Code>{code}</Code><Message>{HUSH}</Message></Error>"
            url = f"http://127.0.0.1:{made.enter_context(server_that_answers(status, body))}"
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
            return url

        yield answer
