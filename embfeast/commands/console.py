"""What all commands print with: a progress bar for people, nothing where nobody looks."""

import json as jsonlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from embfeast.errors import EmbfeastError


def check_repository(repo: Path) -> None:
    """Say that a folder is no feature repository before anything that takes time is imported."""
    from embfeast.repository.settings_file import settings_file

    settings_file(repo)


def open_repository(repo: Path, *, runs_its_files: bool = True) -> Any:
    """Open a feature repository; ``FEAST_FS_YAML_FILE_PATH`` names another YAML for it.

    A command that runs none of its Python files, and says so, imports Feast in less time: it opens
    the repository before it imports anything else.
    """
    check_repository(repo)
    from embfeast.plugin.quick_feast import import_feast

    import_feast(checked=runs_its_files)
    from embfeast.repository import Repository

    return Repository.open(repo)


# Said in the place of a text that a feature row outlives.
GONE = "(gone from the source)"


def keys_of(given: list[str]) -> dict[str, str]:
    """Read key columns as a command line gives them."""
    keys: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals) or name in keys:
            raise EmbfeastError(f"--key {one!r}: give name=value once a key, say ticket_id=17")
        keys[name] = value
    return keys


def parse_time(given: str) -> datetime:
    """Read an ISO 8601 time; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise EmbfeastError(f"{given!r} is no ISO 8601 time, say 2026-05-01T00:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def print_json(value: Any) -> None:
    """Print a value for machines."""
    print(jsonlib.dumps(value, indent=2, default=str))  # noqa: T201


def one_line(text: str, width: int | None = None) -> str:
    """Return a text as one line of what can be printed, cut to a number of terminal cells."""
    from rich.text import Text

    line = Text(" ".join("".join(c if c.isprintable() else " " for c in text).split()))
    if width is not None:
        line.truncate(width, overflow="ellipsis")
    return line.plain


def print_table(
    headings: Iterable[str], rows: Iterable[Iterable[Any]], note: str = "", cut: str | None = None
) -> None:
    """Print rows for people, and a line below.

    Cells are strings, printed as they are, or rich's `Text`. Of the column `cut` each cell is one
    line, as long as there is room for; the others are never wrapped then.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names = list(headings)
    table = Table()
    for name in names:
        table.add_column(name, no_wrap=cut not in (None, name), min_width=12 if name == cut else 0)
    for row in rows:
        cells = [cell if isinstance(cell, Text) else Text(cell) for cell in row]
        if cut is not None:
            i = names.index(cut)
            cells[i] = Text(one_line(cells[i].plain), no_wrap=True, overflow="ellipsis")
        table.add_row(*cells)
    console = Console(highlight=False)
    console.print(table)
    if note:
        console.print(note, soft_wrap=True, markup=False)


@contextmanager
def progress(what: str, *, total: float | None = 1.0, quiet: bool = False) -> Iterator[Any]:
    """Show a bar on standard error, where that is a terminal; yields the bar and its task."""
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
