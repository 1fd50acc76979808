"""`embfeast lookup`: what a model gets when it asks."""

import re
from itertools import groupby
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Any

import typer

from embfeast.commands import options
from embfeast.commands.console import GONE, keys_of, one_line, open_repository, print_json
from embfeast.errors import EmbfeastError

# From so many numbered columns on, distance_00, distance_01 and so on are said in one line.
MANY = 5
NUMBERED = re.compile(r"(.+)_\d\d+")
# The text itself among the features, for machines.
TEXT = "embfeast_text"


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

    Both --text and the --key of who writes it compare a new text with what they had written.

    Of a stored text the first line is the text itself, as its source has it now (whole with
    --json, as embfeast_text). The last line, embfeast_status, says whether the applied recipe made
    the values.

    Example: embfeast lookup --repo feature_repo --key ticket_id=17
    """
    if not key and text is None:
        raise EmbfeastError(
            "give --key name=value, or --text",
            "both for a text of an entity whose texts are stored",
        )
    given = keys_of(key) if key else {}
    if text is not None:
        given["text"] = text
    repository = open_repository(repo, runs_its_files=False)
    from embfeast.repository import lookup as find

    found = find(repository, given, service)
    texts, why = ({}, "") if text is not None else _texts(repository, given, service)
    if json:
        print_json({f"{prefix}{TEXT}": said for prefix, said in texts.items()} | found)
        return
    for prefix, said in texts.items():
        line = f"{prefix}text: {why or (GONE if said is None else said)}"
        typer.echo(one_line(line, get_terminal_size().columns))
    for name, value in _with_one_line_a_row(_with_one_digest(found)).items():
        typer.echo(f"{name}: {_said(value)}")


def _with_one_digest(found: dict[str, Any]) -> dict[str, Any]:
    """Shorten digests, and say one that all views have in common once."""
    digests = {
        name: value[:12]
        for name, value in found.items()
        if name.endswith("_digest") and isinstance(value, str)
    }
    if len(digests) < 2 or len(set(digests.values())) > 1:
        return found | digests
    kept = {name: value for name, value in found.items() if name not in digests}
    status = {name: kept.pop(name) for name in list(kept)[-1:]}
    return kept | {"recipe": next(iter(digests.values()))} | status


def _with_one_line_a_row(found: dict[str, Any]) -> dict[str, Any]:
    """Put many numbered columns into one list, named by the first and the last."""
    shortened: dict[str, Any] = {}
    for _, group in groupby(found, _stem):
        names = list(group)
        if len(names) < MANY or not all(isinstance(found[name], float) for name in names):
            shortened |= {name: found[name] for name in names}
        else:
            shortened[f"{names[0]} to {names[-1]}"] = [found[name] for name in names]
    return shortened


def _stem(name: str) -> str:
    numbered = NUMBERED.fullmatch(name)
    return numbered[1] if numbered else name


def _texts(repository: Any, key: Any, service: str | None) -> tuple[dict[str, str | None], str]:
    """Return the texts of a key by prefix, or why they cannot be read."""
    from embfeast.repository.stored_texts import texts_of_key

    try:
        return texts_of_key(repository, key, service), ""
    except EmbfeastError as error:
        return {"": None}, f"not shown, {error}"


def _said(value: Any) -> str:
    if not isinstance(value, list):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    start = ", ".join(f"{number:.4f}" for number in value[:4])
    return f"[{start}{', ...' if len(value) > 4 else ''}] ({len(value)} numbers)"
