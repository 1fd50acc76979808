"""What the scripts share: where they print, how they end, and Feast's own command line."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import typer
from rich.console import Console

from embfeast import EmbfeastError
from embfeast.cli import main

console = Console()


def run(command: Callable[..., Any]) -> None:
    """Run a function as a command, which ends as those of `embfeast` do."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    main(app)


def run_embfeast(*words: str) -> None:
    """Run a command of `embfeast` on the sample's repository; this call's own words are added."""
    sys.argv[1:1] = [words[0], "--repo", "feature_repo", *words[1:]]
    main()


def feast(repo: Path, *words: str) -> None:
    """Run ``feast`` on a feature repository; what it prints is shown where it fails."""
    program = Path(sys.executable).with_name("feast")
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    ended = subprocess.run(  # noqa: S603
        [program, "-c", repo, *words], env=environment, check=False, capture_output=True, text=True
    )
    if ended.returncode:
        said = (ended.stdout + ended.stderr).strip()
        raise EmbfeastError(f"`feast {' '.join(words)}` ended with code {ended.returncode}: {said}")


@contextmanager
def new_sample_database(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database of the sample's empty tables; it takes the old one's place at the end."""
    half = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.unlink(missing_ok=True)
        try:
            with closing(duckdb.connect(str(half))) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute(Path(__file__).with_name("sample_tables.sql").read_text())
                yield connection
            half.replace(path)
        finally:
            for left in (half, half.with_name(f"{half.name}.wal")):
                left.unlink(missing_ok=True)
    except OSError as error:
        raise EmbfeastError(f"{path} cannot be written: {error.strerror}") from error
