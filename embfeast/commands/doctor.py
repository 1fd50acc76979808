"""`embfeast doctor`: what is wrong with a repository, and how to mend it."""

from pathlib import Path
from typing import Any

import typer

from embfeast.commands import options
from embfeast.commands.console import open_repository, print_json, print_table

KEYS = ("check", "level", "found", "mend")
MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "broken": "[red]broken[/]"}


def doctor(repo: options.Repo = Path(), json: options.Json = False) -> None:
    """Check versions, settings, recipe, model, stores, locks, freshness and leftovers.

    Says how to mend each finding, and changes nothing. Exit code 1 where something is broken;
    warnings alone end with 0.

    Example: embfeast doctor --repo feature_repo
    """
    repository = open_repository(repo, runs_its_files=False)
    from embfeast.repository import examine

    findings = examine(repository)
    if json:
        print_json([{name: getattr(one, name) for name in KEYS} for one in findings])
    else:
        _print(findings)
    raise typer.Exit(1 if any(finding.level == "broken" for finding in findings) else 0)


def _print(findings: list[Any]) -> None:
    from rich.text import Text

    rows = (
        (
            one.check,
            Text.from_markup(MARKS[one.level]),
            Text.assemble(one.found, *(("\nmend: ", "bold"), one.mend) if one.mend else ()),
        )
        for one in findings
    )
    levels = [one.level for one in findings]
    note = ", ".join(f"{levels.count(level)} {level}" for level in MARKS)
    print_table(("check", "", "what was found, and how to mend it"), rows, note)
