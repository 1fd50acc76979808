"""A Ray cluster on this machine: two workers beside one, and beside the run without Ray."""

import os
import tempfile
from functools import partial
from pathlib import Path

import yaml

from benchmarks.measure import Row, compared, seconds
from benchmarks.repository import fresh_copy, make_repository, materialize_all

TEXTS = 20_000
REPEATS = 2
CPUS = 2
WAYS = {
    "local": {"executor": "local"},
    "one": {"executor": "ray", "ray_workers": 1, "chunk_rows": 1024},
    "two": {"executor": "ray", "ray_workers": 2, "chunk_rows": 1024},
}


def ray() -> list[Row]:
    """Materialize the same texts each way, in turn, on a cluster that is there already."""
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    start = partial(ray.init, "local", num_cpus=CPUS, include_dashboard=False, log_to_driver=False)
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        template = make_repository(Path(folder) / "template", TEXTS)
        starting = seconds(start)
        for number in range(REPEATS):
            for way, settings in WAYS.items():
                repo = fresh_copy(template, Path(folder) / f"{way}{number}")
                _set(repo, {"cache": None, **settings})
                spent[way].append(seconds(partial(materialize_all, repo)))
        ray.shutdown()
    return [
        compared(
            "ray",
            f"two workers to one, {TEXTS:,} texts",
            spent["two"],
            spent["one"],
            "s",
            ">= 1.8",
            inverse=True,
        ),
        compared(
            "ray", "two workers to no Ray, all cores", spent["two"], spent["local"], "s", "<= 1.15"
        ),
        compared(
            "ray", "starting Ray, to a run of one worker", [starting], spent["one"], "s", "<= 1"
        ),
    ]


def _set(repo: Path, engine: dict[str, object]) -> None:
    file = repo / "feature_store.yaml"
    settings = yaml.safe_load(file.read_text())
    settings["batch_engine"] |= engine
    file.write_text(yaml.safe_dump(settings))
