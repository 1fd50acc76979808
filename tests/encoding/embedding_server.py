"""A server of the OpenAI embeddings interface on this machine, with faults on demand."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread

import numpy as np
import pytest

from embfeast.encoding.model import resolve

KEY = "a-made-up-key-of-the-tests"
WIDTH = 8
Fault = Callable[["Handler", dict], None]


def vector_of(text: str, seed: str = "") -> list[float]:
    """Return the mean of its words' own random vectors."""
    own = [hashlib.sha256((seed + word).encode()).digest() for word in text.lower().split()]
    rows = [np.random.default_rng(list(one)).normal(size=WIDTH) for one in own]
    return np.mean(rows, axis=0).astype(np.float32).tolist()


class Server(ThreadingHTTPServer):
    """What it does next: `faults` are used up one a request; `seed` is which model it has."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults: list[Fault] = []
        self.seed = ""
        self.requests: list[dict] = []
        self.times: list[float] = []
        self.keys: list[str | None] = []
        self.at_once = self.most_at_once = 0
        self.lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        server = self.server
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append(asked)
            server.times.append(time.monotonic())
            server.keys.append(self.headers["Authorization"])
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
            fault = server.faults.pop(0) if server.faults else None
        answer = {
            "object": "list",
            "model": asked["model"],
            "data": [
                {"object": "embedding", "index": i, "embedding": vector_of(text, server.seed)}
                for i, text in enumerate(asked["input"])
            ],
        }
        try:
            (fault or Handler.give)(self, answer)
        finally:
            with server.lock:
                server.at_once -= 1

    def give(self, answer: object, status: int = 200, **headers: str) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def refuse(status: int, message: str = "no", **headers: str) -> Fault:
    return lambda to, _: to.give({"error": {"message": message}}, status, **headers)


def echo_key(to: Handler, _: dict) -> None:
    to.give({"error": {"message": f"bad key {to.headers['Authorization']}"}}, 401)


def stall(to: Handler, answer: dict) -> None:
    time.sleep(1)
    to.close_connection = True


def slowly(to: Handler, answer: dict) -> None:
    time.sleep(0.05)
    to.give(answer)


def half_a_body(to: Handler, answer: dict) -> None:
    body = json.dumps(answer).encode()
    to.give(body[: len(body) // 2], Content_Length=str(len(body)))
    to.close_connection = True


def half_a_json(to: Handler, answer: dict) -> None:
    body = json.dumps(answer).encode()
    to.give(body[: len(body) // 2])


def changed(change: Callable[[list[dict]], object]) -> Fault:
    def fault(to: Handler, answer: dict) -> None:
        change(answer["data"])
        to.give(answer)

    return fault


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def serving_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve to a process that has a key, and a folder of its own for what is kept of models."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("EMBFEAST_CACHE_DIR", str(folder / "kept"))
    resolve.cache_clear()
    with serving() as running:
        yield running
    resolve.cache_clear()
