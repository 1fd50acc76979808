"""What all scripts print with, and how their errors end."""

import sys
from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console

from embfeast import EmbfeastError

console = Console()


def run(command: Callable[..., Any]) -> None:
    """Run a function as a command; a user's mistake ends in one line and exit code 1."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    try:
        app()
    except EmbfeastError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
