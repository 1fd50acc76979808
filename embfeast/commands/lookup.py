"""`embfeast lookup`: what a model gets when it asks."""

from pathlib import Path
from typing import Annotated, Any

import typer

from embfeast.commands import options
from embfeast.commands.console import keys_of, open_repository, print_json
from embfeast.errors import EmbfeastError


def lookup(
    repo: options.Repo = Path(),
    key: Annotated[
        list[str] | None, typer.Option(help="Of a stored text, name=value; once a key column.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="A text that nobody has stored.")] = None,
    service: Annotated[
        str | None, typer.Option(help="Feature service; default: the one that fits.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Look up the features of a stored text, or compute those of a new one.

    The last line, embfeast_status, says whether the applied recipe made the values.

    Example: embfeast lookup --repo feature_repo --key ticket_id=17
    """
    if bool(key) == (text is not None):
        raise EmbfeastError("give either --key name=value or --text")
    given = {"text": text} if text is not None else keys_of(key or [])
    repository = open_repository(repo, runs_its_files=False)
    from embfeast.repository import lookup as find

    found = find(repository, given, service)
    if json:
        print_json(found)
        return
    for name, value in found.items():
        short = name.endswith("_digest") and isinstance(value, str)
        typer.echo(f"{name}: {value[:12] if short else _said(value)}")


def _said(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    start = ", ".join(f"{number:.4f}" for number in value[:4])
    return f"[{start}{', ...' if len(value) > 4 else ''}] ({len(value)} numbers)"
