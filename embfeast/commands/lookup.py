"""`embfeast lookup`: what a model gets when it asks."""

from pathlib import Path
from typing import Annotated, Any

import typer

from embfeast.commands.console import JsonOption, RepoOption, open_store, print_json
from embfeast.errors import EmbfeastError


def lookup(
    repo: RepoOption = Path(),
    key: Annotated[
        list[str] | None, typer.Option(help="Of a stored text, name=value; once a key column.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="A text that nobody has stored.")] = None,
    service: Annotated[
        str | None, typer.Option(help="Feature service; default: the one that fits.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Look up the features of a stored text, or compute those of a new one.

    The last line, embfeast_status, says whether the applied recipe made the values.

    Example: embfeast lookup --repo feature_repo --key ticket_id=17
    """
    if bool(key) == (text is not None):
        raise EmbfeastError("give either --key name=value or --text")
    from embfeast.plugin.lookup import lookup as find

    given = {"text": text} if text is not None else _keys(key or [])
    found = find(open_store(repo), given, service)
    if json:
        print_json(found)
        return
    for name, value in found.items():
        typer.echo(f"{name}: {_said(value)}")


def _keys(given: list[str]) -> dict[str, str]:
    keys: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals) or name in keys:
            raise EmbfeastError(f"--key {one!r}: give name=value once a key, say ticket_id=17")
        keys[name] = value
    return keys


def _said(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    start = ", ".join(f"{number:.4f}" for number in value[:4])
    return f"[{start}{', ...' if len(value) > 4 else ''}] ({len(value)} numbers)"
