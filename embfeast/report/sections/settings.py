"""The recipe itself: settings, digest, what it was fitted on, and the versions at work."""

import platform
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

import yaml

from embfeast.recipe import FittedRecipe
from embfeast.report.section import Section, Table

PACKAGES = ("embfeast", "feast", "duckdb", "scikit-learn", "onnxruntime", "numpy", "pyarrow")


def settings(fitted: FittedRecipe) -> Section:
    """Show what made the features."""
    record = fitted.record
    facts = [
        ["digest", fitted.digest],
        ["fitted on texts before", _time(record.as_of, "no cutoff")],
        ["texts read", f"{record.rows:,}"],
        ["missing or blank", f"{record.missing:,}"],
        ["labels read", f"{record.labels:,}"],
        ["first and last text", f"{_time(record.first_event)} to {_time(record.last_event)}"],
        ["digest of the rows", record.rows_digest],
        ["model", f"{fitted.settings.model} ({fitted.model_digest})"],
        ["earlier fit", record.previous or "none"],
    ]
    entries = []
    for name, entry in fitted.settings.tricks.items():
        pair = name in fitted.pair_entries
        width = len(fitted.output_names(name))
        given = yaml.safe_dump(entry.settings, sort_keys=False, allow_unicode=True).strip()
        entries.append([
            name, entry.trick, ", ".join(entry.reads) or "texts", width,
            "a pair's request" if pair else "online and offline" if entry.online else "offline",
            given if entry.settings else "defaults",
        ])  # fmt: skip
    return Section(
        title="The recipe",
        prose=[
            "Settings, fitted arrays, model weights and the rows read make up the digest: features "
            "of the same digest were made the same way."
        ],
        parts=[
            Table("What was fitted, and on what", ["", ""], facts),
            Table("Entries", ["entry", "trick", "reads", "numbers", "served", "settings"], entries),
            Table("Versions", ["package", "version"], _versions()),
        ],
    )


def _time(said: str | None, otherwise: str = "—") -> str:
    return f"{datetime.fromisoformat(said):%Y-%m-%d %H:%M} UTC" if said else otherwise


def _versions() -> list[list[str]]:
    found = [["Python", platform.python_version()]]
    for name in PACKAGES:
        try:
            found.append([name, version(name)])
        except PackageNotFoundError:  # run from a checkout that is not installed
            found.append([name, "—"])
    return found
