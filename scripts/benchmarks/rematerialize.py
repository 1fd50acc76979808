"""New tables of cached vectors into a server, beside the cold run and the server's own part."""

import contextlib
import os
import statistics
import tempfile
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import psycopg
import redis
from psycopg import sql

from benchmarks.measure import Row, compared, elapsed, seconds
from benchmarks.repository import (
    fresh_copy,
    make_repository,
    materialize_all,
    served_in,
    settings_of,
)
from console import feast

TEXTS = 10_000
REPEATS = 2
REDIS = {"host": "localhost", "port": 6379, "db": 9}
POSTGRES = {
    "host": os.environ.get("PGHOST", "localhost"),
    "port": int(os.environ.get("PGPORT", "5432")),
    "user": os.environ.get("PGUSER", "postgres"),
    "password": os.environ.get("PGPASSWORD", ""),
}


class Server(Protocol):
    """A server for a benchmark.

    Attributes
    ----------
    settings : dict
        What feature_store.yaml says of it.
    """

    settings: dict[str, Any]

    def own_seconds(self, write: Callable[[], object]) -> float:
        """Run what writes to it, and return what the server itself took."""
        ...


class OwnRedis:
    """The machine's Redis: its process has one thread, whose CPU time is what a write takes."""

    def __init__(self) -> None:
        self._client = redis.Redis(**REDIS)
        where = "{host}:{port},db={db}".format(**REDIS)
        self.settings = {"type": "redis", "connection_string": where}

    def own_seconds(self, write: Callable[[], object]) -> float:
        """Return the CPU time of its process."""
        before = self._spent()
        write()
        return self._spent() - before

    def _spent(self) -> float:
        about = self._client.info("cpu")
        return float(about["used_cpu_user"] + about["used_cpu_sys"])


class OwnPostgres:
    """A database of the machine's PostgreSQL: a copy of a finished table is what a write takes."""

    def __init__(self, database: str) -> None:
        self._connection = psycopg.connect(dbname=database, autocommit=True, **POSTGRES)
        self.settings = {
            "type": "postgres",
            "database": database,
            "db_schema": "public",
            "sslmode": "disable",
            **POSTGRES,
        }

    def own_seconds(self, write: Callable[[], object]) -> float:
        """Return the seconds of copying each written table into one of the same form."""
        write()
        found = self._connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        return sum(map(self._copied, [name for (name,) in found.fetchall()]))

    def _copied(self, name: str) -> float:
        names = {"own": sql.Identifier(name), "copy": sql.Identifier(f"{name[:50]}_copy")}
        run = self._connection.execute
        run(sql.SQL("CREATE TABLE {copy} (LIKE {own} INCLUDING ALL)").format(**names))
        copy = sql.SQL("INSERT INTO {copy} SELECT * FROM {own}").format(**names)
        spent = seconds(lambda: run(copy))
        run(sql.SQL("DROP TABLE {copy}").format(**names))
        return spent


@contextlib.contextmanager
def _database() -> Iterator[OwnPostgres]:
    name = f"embfeast_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(dbname="postgres", autocommit=True, **POSTGRES) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield OwnPostgres(name)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def rematerialize_redis() -> list[Row]:
    """Into Redis."""
    return _rematerialized("redis", OwnRedis())


def rematerialize_postgres() -> list[Row]:
    """Into PostgreSQL."""
    with _database() as server:
        return _rematerialized("postgres", server)


def _rematerialized(name: str, server: Server) -> list[Row]:
    cold, tables, online, own = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        template = make_repository(Path(folder) / "template", TEXTS)
        with settings_of(template) as settings:
            settings["online_store"] = server.settings
        feast(template, "apply")
        for number in range(REPEATS):
            repo = fresh_copy(template, Path(folder) / f"run{number}")
            cold.append(seconds(partial(materialize_all, repo)))
            other = fresh_copy(template, Path(folder) / f"other{number}")
            (repo / "data" / "cache").rename(other / "data" / "cache")
            feast(template, "teardown")  # what the cold run has put online
            feast(template, "apply")
            with served_in(elapsed) as spent:
                run = partial(_kept, tables, partial(materialize_all, other))
                own.append(server.own_seconds(run))
            online.append(sum(spent))
        feast(template, "teardown")
    limit = [all_ - half + alone for all_, half, alone in zip(tables, online, own, strict=True)]
    against = f"the cold run, into new tables and {name}"
    least = f"{against}, if writing took what {name} itself takes"
    share = statistics.median(online) / statistics.median(tables)
    alone = statistics.median(own) / statistics.median(tables)
    title = f"rematerialize-{name}"
    return [
        compared(title, against, tables, cold, "s", ">= 10", inverse=True),
        compared(title, least, limit, cold, "s", ">= 10", inverse=True),
        Row(
            title,
            "online half, of the run",
            *map(statistics.median, (online, tables)),
            "s",
            share,
            "<= 1",
        ),
        Row(
            title,
            f"{name} itself, of the run",
            *map(statistics.median, (own, tables)),
            "s",
            alone,
            "<= 1",
        ),
    ]


def _kept(found: list[float], call: Callable[[], object]) -> None:
    found.append(seconds(call))
