"""A Ray cluster on this machine: two workers beside one, and beside the run without Ray."""

import tempfile
from functools import partial
from pathlib import Path

import yaml

from benchmarks.measure import Row, compared, seconds
from benchmarks.repository import fresh_copy, make_repository, materialize_all

TEXTS = 10_000
REPEATS = 3
WAYS = {
    "local": {"executor": "local"},
    "one": {"executor": "ray", "ray_workers": 1, "chunk_rows": 1024},
    "two": {"executor": "ray", "ray_workers": 2, "chunk_rows": 1024},
}


def ray() -> list[Row]:
    """Materialize the same texts each way, in turn; starting and stopping Ray is part of it."""
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        template = make_repository(Path(folder) / "template", TEXTS)
        for number in range(REPEATS):
            for way, settings in WAYS.items():
                repo = fresh_copy(template, Path(folder) / f"{way}{number}")
                _set(repo, {"cache": None, **settings})
                spent[way].append(seconds(partial(materialize_all, repo)))
    return [
        compared(
            "ray",
            f"two workers to one, {TEXTS:,} texts",
            spent["two"],
            spent["one"],
            "s",
            ">= 1.6",
            inverse=True,
        ),
        compared(
            "ray", "two workers to no Ray, all cores", spent["two"], spent["local"], "s", "<= 1.25"
        ),
    ]


def _set(repo: Path, engine: dict[str, object]) -> None:
    file = repo / "feature_store.yaml"
    settings = yaml.safe_load(file.read_text())
    settings["batch_engine"] |= engine
    file.write_text(yaml.safe_dump(settings))
