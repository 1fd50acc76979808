"""A Ray cluster on this machine: two workers beside one, and beside the run without Ray."""

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, compared, seconds
from benchmarks.repository import fresh_copy, make_repository, materialize_all, settings_of
from console import feast

TEXTS = 20_000
REPEATS = 2
CPUS = 2
SERVER = "localhost:6379,db=9"
ONLINE: dict[str, dict[str, Any]] = {
    "SQLite": {},
    "Redis": {"type": "redis", "connection_string": SERVER},  # to which workers write
}
WAYS: dict[str, dict[str, Any]] = {
    "no Ray": {"executor": "local"},
    "one": {"executor": "ray", "ray_workers": 1, "chunk_rows": 1024},
    "two": {"executor": "ray", "ray_workers": 2, "chunk_rows": 1024},
}


def ray() -> list[Row]:
    """Materialize the same texts each way, in turn, on a cluster that is there already."""
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    start = partial(ray.init, "local", num_cpus=CPUS, include_dashboard=False, log_to_driver=False)
    spent: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        template = make_repository(Path(folder) / "template", TEXTS)
        starting = seconds(start)
        for number in range(REPEATS):
            for online in ONLINE:
                for way in WAYS:
                    repo = fresh_copy(template, Path(folder) / f"{online}{way}{number}")
                    _set(repo, WAYS[way], ONLINE[online])
                    once = seconds(partial(materialize_all, repo))
                    spent.setdefault((online, way), []).append(once)
                    feast(repo, "teardown")
        ray.shutdown()
    rows = [row for online in ONLINE for row in _rows(online, spent)]
    against = "starting Ray, to a run of one worker"
    return [*rows, compared("ray", against, [starting], spent["SQLite", "one"], "s", "<= 1")]


def _rows(online: str, spent: dict[tuple[str, str], list[float]]) -> list[Row]:
    two, one, local = (spent[online, way] for way in ("two", "one", "no Ray"))
    words = f"{TEXTS:,} texts, {online}"
    return [
        compared("ray", f"two workers to one, {words}", two, one, "s", ">= 1.8", inverse=True),
        compared("ray", f"two workers to no Ray, {words}", two, local, "s", "<= 1.15"),
    ]


def _set(repo: Path, engine: dict[str, Any], online: dict[str, Any]) -> None:
    with settings_of(repo) as settings:
        settings["batch_engine"] |= {"cache": None} | engine
        settings["online_store"] = online or settings["online_store"]
