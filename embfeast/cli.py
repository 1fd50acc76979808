"""The command `embfeast`: gathers the commands, and ends a user's mistake in one line."""

import sys
import warnings
from importlib import import_module

import typer

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

app = typer.Typer(
    name="embfeast",
    help="Embedding features for Feast: the same numbers in training and serving.",
    epilog="Exit codes: 0 done, 1 a mistake or a breach (said in one line), 2 a wrong option, "
    "130 stopped by Ctrl-C.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _commands() -> None:
    """Keep commands by name, even if there is only one."""


for _name in COMMANDS:
    app.command()(getattr(import_module(f"embfeast.commands.{_name}"), _name))


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
