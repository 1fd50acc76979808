"""Real servers for tests: the machine's own, and throw-away ones that a test may stop."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

REDIS = {
    "host": os.environ.get("REDIS_HOST", "127.0.0.1"),
    "port": int(os.environ.get("REDIS_PORT", "6379")),
}
POSTGRES = {
    "host": os.environ.get("PGHOST", "127.0.0.1"),
    "port": int(os.environ.get("PGPORT", "5432")),
    "user": os.environ.get("PGUSER", "postgres"),
    "password": os.environ.get("PGPASSWORD", ""),
}


def lacking(reason: str) -> None:
    """Skip the test, or let it fail where services are required."""
    if os.environ.get("EMBFEAST_REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def redis_keys(project: str) -> Iterator[redis.Redis]:
    """Give a client of the machine's Redis; a project's keys are removed afterwards."""
    client = redis.Redis(**REDIS)
    try:
        client.ping()
    except redis.RedisError as error:
        lacking(f"no Redis: {error}")
    try:
        yield client
    finally:
        for key in keys_of(client, project):
            client.delete(key)
        client.close()


def keys_of(client: redis.Redis, project: str) -> list[bytes]:
    """Return the keys of a Feast project: it stands at their end."""
    return list(client.scan_iter(f"*{project}"))


@contextlib.contextmanager
def postgres_database() -> Iterator[str]:
    """Make a database of the machine's PostgreSQL, and drop it afterwards."""
    name = f"embfeast_{uuid.uuid4().hex[:12]}"
    try:
        admin = psycopg.connect(dbname="postgres", autocommit=True, **POSTGRES)
    except psycopg.Error as error:
        lacking(f"no PostgreSQL: {error}")
    with admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class OwnRedis:
    """A Redis server of a test's own, with a password, that keeps its keys when stopped."""

    password = "correct-horse"  # pragma: allowlist secret

    def __init__(self, folder: Path) -> None:
        if shutil.which("redis-server") is None:
            lacking("no program redis-server")
        self.folder, self.port = folder, free_port()
        self.connection_string = f"127.0.0.1:{self.port},password={self.password}"
        self.process: subprocess.Popen | None = None

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=self.password)

    def start(self) -> "OwnRedis":
        options = ["--port", str(self.port), "--requirepass", self.password]
        options += ["--dir", str(self.folder), "--save", "", "--appendonly", "yes"]
        self.process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        wait_for(self.client().ping, redis.RedisError)
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


class OwnPostgres:
    """A PostgreSQL server of a test's own that asks for a password.

    Its programs are the machine's newest, or those of a folder.
    """

    user, password = "feast", "correct-horse"  # pragma: allowlist secret

    def __init__(self, programs: Path | None = None) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if programs is None and not found:
            lacking("no PostgreSQL programs")
        self.bin, self.port = programs or found[-1], free_port()
        # Not below pytest's folder: only root enters that, and this server never runs as root.
        self.folder = Path(tempfile.mkdtemp(prefix="embfeast-postgres-"))
        secret = self.folder / "secret"
        secret.write_text(self.password)
        if os.geteuid() == 0:
            for path in (self.folder, secret):
                shutil.chown(path, "postgres")
        self.data = self.folder / "data"
        login = ["--username", self.user, "--auth", "scram-sha-256", "--pwfile", str(secret)]
        self._run("initdb", "--pgdata", str(self.data), *login, "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.bin / program), *arguments]
        if os.geteuid() == 0:
            command = [
                "setpriv",
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                *command,
            ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/tmp")

    def connect(self, **options) -> psycopg.Connection:
        given = {"user": self.user, "password": self.password, "dbname": "postgres", **options}
        return psycopg.connect(host="127.0.0.1", port=self.port, autocommit=True, **given)

    def start(self) -> "OwnPostgres":
        options = f"-p {self.port} -k {self.folder} -c fsync=off"
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "-w", "-D", str(self.data), "-l", log, "-o", options)
        return self

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self.data))

    def remove(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_for(call, errors, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            return call()
        except errors:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def prometheus_of(target: str, folder: Path) -> Iterator[str]:
    """Run a Prometheus that scrapes a server each second, and give its address."""
    if shutil.which("prometheus") is None:
        lacking("no program prometheus")
    scrape = {"job_name": "embfeast", "static_configs": [{"targets": [target]}]}
    settings = {"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}
    (folder / "prometheus.json").write_text(json.dumps(settings))  # JSON is YAML
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={folder}/prometheus.json", f"--storage.tsdb.path={folder}/stored"]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            ["prometheus", *options, f"--web.listen-address={address}"], stdout=log, stderr=log
        )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)
