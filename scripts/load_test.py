"""How `feast serve` holds up: `python scripts/load_test.py --repo feature_repo`.

A closed loop asks as fast as each client gets its answers; an open loop asks at a fixed rate,
whether or not answers have come, and counts an answer's time from when it was due. All kinds of
request are measured in turn in the same run. Only servers on this machine are asked.
"""

import asyncio
import contextlib
import itertools
import json as jsonlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlparse

import duckdb
import httpx2 as httpx
import numpy as np
import pandas as pd
import typer

from console import console, run
from embfeast import EmbfeastError

LOCAL = ("127.0.0.1", "localhost", "::1")
START = 120.0  # seconds that a server may take to load its model
REPO = Path(__file__).parents[1] / "feature_repo"


@dataclass
class Measured:
    """What one kind of request gave at one number of clients.

    Times are in milliseconds, `throughput` in answers a second; `errors` counts requests that got
    no answer, or another one than 200.
    """

    kind: str
    loop: str
    clients: int
    requests: int
    errors: int
    throughput: float
    p50: float
    p95: float
    p99: float


def bodies(repo: Path) -> dict[str, list[dict[str, Any]]]:
    """Return requests of each kind, over the tickets of a repository."""
    with duckdb.connect(str(repo / "data" / "tickets.duckdb"), read_only=True) as texts:
        rows = texts.sql(
            "SELECT ticket_id, any_value(body) FROM tickets WHERE trim(body) <> '' "
            "GROUP BY ticket_id ORDER BY ticket_id LIMIT 500"
        ).fetchall()
    if not rows:
        raise EmbfeastError(f"{repo} has no tickets; run scripts/make_sample.py first")
    keys = [row[0] for row in rows]
    plain = ["ticket_cluster:cluster", "ticket_similarity:similarity_billing"]
    return {
        "plain": [{"features": plain, "entities": {"ticket_id": [key]}} for key in keys],
        "stored": [{"feature_service": "triage", "entities": {"ticket_id": [key]}} for key in keys],
        "lean": [{"feature_service": "routing", "entities": {"ticket_id": [key]}} for key in keys],
        "pair": [
            {
                "feature_service": "duplicates",
                "entities": {"ticket_id": [key], "other_ticket_id": [other]},
            }
            for key, other in zip(keys, [*keys[1:], keys[0]], strict=True)
        ],
        "new text": [
            {"feature_service": "triage_live", "entities": {"text": [f"{text} ({number})"]}}
            for number, (_, text) in enumerate(rows)
        ],
    }


class Load:
    """Requests to one server, and how long their answers took."""

    def __init__(self, url: str, asked: Sequence[dict[str, Any]], most: int) -> None:
        self._url = f"{url.rstrip('/')}/get-online-features"
        self._asked = itertools.islice(itertools.cycle(asked), most)
        self.spent: list[float] = []
        self.errors = 0

    async def closed(self, clients: int, seconds: float) -> float:
        """Let clients ask one request after the other; return the seconds it took."""
        async with _client(clients) as client:
            began = time.perf_counter()

            async def ask_on() -> None:
                while time.perf_counter() - began < seconds:
                    body = next(self._asked, None)
                    if body is None:
                        return
                    await self._ask(client, body, time.perf_counter())

            await asyncio.gather(*(ask_on() for _ in range(clients)))
            return time.perf_counter() - began

    async def open(self, rate: float, seconds: float) -> float:
        """Ask at a rate, over as many connections as it takes."""
        async with _client(1_000) as client, asyncio.TaskGroup() as running:
            began = time.perf_counter()
            for number, body in enumerate(self._asked):
                due = began + number / rate
                if due - began >= seconds:
                    break
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                running.create_task(self._ask(client, body, due))
        return time.perf_counter() - began

    async def _ask(self, client: httpx.AsyncClient, body: dict[str, Any], due: float) -> None:
        try:
            answer = await client.post(self._url, json=body)
            self.errors += answer.status_code != 200
        except httpx.HTTPError:
            self.errors += 1
        self.spent.append(1000 * (time.perf_counter() - due))

    def measured(self, kind: str, loop: str, clients: int, seconds: float) -> Measured:
        """Sum up."""
        p50, p95, p99 = np.percentile(self.spent, [50, 95, 99]) if self.spent else (np.nan,) * 3
        answered = len(self.spent) - self.errors
        rate, *times = (round(float(value), 1) for value in (answered / seconds, p50, p95, p99))
        return Measured(kind, loop, clients, len(self.spent), self.errors, rate, *times)


def _client(connections: int) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.AsyncClient(limits=limits, timeout=60)


def load_test(
    url: str,
    asked: dict[str, list[dict[str, Any]]],
    *,
    clients: Sequence[int] = (1, 8, 32),
    seconds: float = 5.0,
    most: int = 2_000,
    rate: float | None = None,
) -> list[Measured]:
    """Measure every kind of request in closed loops, and with `rate` in an open one too."""
    if urlparse(url).hostname not in LOCAL:
        raise EmbfeastError(f"{url} is not on this machine; a load test asks {LOCAL[0]} alone")
    found = []
    for count in clients:
        for kind, own in asked.items():  # side by side: the machine may change in between
            asyncio.run(Load(url, own[:50], 10).closed(1, seconds))  # not measured
            load = Load(url, own, most)
            found.append(
                load.measured(kind, "closed", count, asyncio.run(load.closed(count, seconds)))
            )
    for kind, own in asked.items() if rate else ():
        load = Load(url, own, most)
        found.append(load.measured(kind, "open", 0, asyncio.run(load.open(rate, seconds))))
    return found


@contextlib.contextmanager
def serving(repo: Path, *, workers: int = 1, metrics: bool = False) -> Iterator[str]:
    """Run `feast serve` on a free port until the block ends, and give its address."""
    with socket.socket() as free:
        free.bind((LOCAL[0], 0))
        port = free.getsockname()[1]
    feast = Path(sys.executable).with_name("feast")
    command = [str(feast), "-c", str(repo), "serve", "--port", str(port), "--no-access-log"]
    command += ["--workers", str(workers), "--max-requests", "0"]
    log = repo / "data" / "serve.log"
    command += ["--metrics"] * metrics
    with log.open("wb") as said:
        server = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)  # noqa: S603
    url = f"http://{LOCAL[0]}:{port}"
    try:
        _wait(server, url, log)
        yield url
    finally:
        if server.poll() is None:
            os.kill(server.pid, signal.SIGTERM)
            server.wait(timeout=30)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return
        time.sleep(0.2)
    server.terminate()
    raise EmbfeastError(f"`feast serve` did not start; see {log}")


def main(
    repo: Annotated[Path, typer.Option(help="A feature repository of tickets, as the sample.")] = (
        REPO
    ),
    url: Annotated[str | None, typer.Option(help="A running server; else one is started.")] = None,
    clients: Annotated[str, typer.Option(help="Numbers of clients, with commas.")] = "1,8,32",
    seconds: Annotated[float, typer.Option(min=0.1, help="Longest time of one measurement.")] = 5,
    most: Annotated[int, typer.Option(min=1, help="Most requests of one.")] = 2_000,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Open loop: requests a second.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Of the server that is started.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="JSON alone on standard output.")] = False,
) -> None:
    """Ask a feature server for stored, pair and new-text features, and measure the answers.

    Exit code 1 where a request failed.
    """
    try:
        counts = [int(count) for count in clients.split(",")]
    except ValueError as error:
        raise EmbfeastError(f"--clients {clients!r}: give numbers, as 1,8,32") from error
    if min(counts) < 1:
        raise EmbfeastError("--clients must be greater than 0")
    started = contextlib.nullcontext(url) if url else serving(repo, workers=workers)
    asked = bodies(repo)
    with started as address:
        found = load_test(address, asked, clients=counts, seconds=seconds, most=most, rate=rate)
    if json:
        print(jsonlib.dumps([asdict(one) for one in found]))
    else:
        console.print(pd.DataFrame(found).to_string(index=False), highlight=False)
    if failed := sum(one.errors for one in found):
        raise EmbfeastError(f"{failed} of {sum(one.requests for one in found)} requests failed")


if __name__ == "__main__":
    run(main)
