"""What all commands print with: a progress bar for people, nothing where nobody looks."""

import json as jsonlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from embfeast.errors import EmbfeastError

RepoOption = Annotated[Path, typer.Option("--repo", "-r", help="The feature repository.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for machines, and nothing else.")]


def open_store(repo: Path) -> Any:
    """Open a feature repository's store; ``FEAST_FS_YAML_FILE_PATH`` names another YAML for it.

    Raises
    ------
    EmbfeastError
        The folder is no feature repository, a setting is wrong, or the registry does not answer.
    """
    path = os.environ.get("FEAST_FS_YAML_FILE_PATH") or repo / "feature_store.yaml"
    if not Path(path).exists():  # said before Feast is imported, which takes seconds
        raise EmbfeastError(f"{path} does not exist; name the repository with --repo")
    from embfeast.plugin.servers import open_repository

    logging.getLogger("feast.repo_config").addFilter(_is_no_false_alarm)
    return open_repository(repo)


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    """Leave out what Feast says of a setting that a registry in a file does need."""
    return "serve_features_while_materializing" not in record.getMessage()


def parse_time(given: str) -> datetime:
    """Read an ISO 8601 time; one without a zone is UTC.

    Raises
    ------
    EmbfeastError
        It is none.
    """
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise EmbfeastError(f"{given!r} is no ISO 8601 time, say 2026-05-01T00:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def print_json(value: Any) -> None:
    """Print a value for machines."""
    print(jsonlib.dumps(value, indent=2, default=str))  # noqa: T201


@contextmanager
def progress(what: str, *, total: float | None = 1.0, quiet: bool = False) -> Iterator[Any]:
    """Show a bar with rate and time left on standard error, where that is a terminal.

    Yields
    ------
    rich.progress.Progress and the task's number
        Both are needed: ``bar.advance(task, 3)``, ``bar.update(task, completed=0.5)``.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    counted = total is None or total > 1
    columns = [TextColumn("{task.description}"), BarColumn()]
    columns += [MofNCompleteColumn()] if counted else []
    columns += [TaskProgressColumn(show_speed=counted), TimeRemainingColumn()]
    with Progress(
        *columns, console=Console(stderr=True), disable=quiet or not sys.stderr.isatty()
    ) as bar:
        yield bar, bar.add_task(what, total=total)
