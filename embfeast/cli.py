"""The command `embfeast`: gathers the commands, and ends a user's mistake in one line."""

import sys
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from embfeast.errors import EmbfeastError

# In the order in which a user meets them; each is a function in a module of its own name.
COMMANDS = (
    "init",
    "fit",
    "materialize",
    "promote",
    "verify",
    "evaluate",
    "report",
    "lookup",
    "similar",
    "forget",
    "doctor",
    "compact",
    "upgrade",
)


class _Commands(Mapping[str, Any]):
    """The commands by name; one is imported when it is asked for, since each costs time."""

    def __getitem__(self, name: str) -> Any:
        if name not in COMMANDS:
            raise KeyError(name)
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


@cache
def _command(name: str) -> Any:
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(import_module(f"embfeast.commands.{name}"), name))
    return typer.main.get_command(alone)


class _Group(TyperGroup):
    """Says a wrong option in plain lines: to draw a box takes as long as all else."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"commands": _Commands()})

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Draw boxes where somebody asked for help."""
        self.rich_markup_mode = "rich"
        super().format_help(ctx, formatter)


app = typer.Typer(
    name="embfeast",
    cls=_Group,
    help="Embedding features for Feast: the same numbers in training and serving.",
    epilog="Exit codes: 0 done, 1 a mistake or a breach (said in one line), 2 a wrong option, "
    "130 stopped by Ctrl-C.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _commands() -> None:
    """Say nothing before a command."""


def main(command: typer.Typer = app) -> None:
    """Run the command; a user's mistake ends in one line and exit code 1, a warning is one line."""
    warnings.showwarning = _one_line
    try:
        command()
    except EmbfeastError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped; what is stored is unharmed", file=sys.stderr)  # noqa: T201
        sys.exit(130)


def _one_line(message: Warning | str, *_: object, **__: object) -> None:
    """Say what a warning says; where in the code it was raised helps nobody here."""
    print(f"warning: {message}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
