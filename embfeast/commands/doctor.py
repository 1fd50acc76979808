"""`embfeast doctor`: what is wrong with a repository, and how to mend it."""

from pathlib import Path
from typing import Any

import typer

from embfeast.commands.console import JsonOption, RepoOption, open_store, print_json

MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "broken": "[red]broken[/]"}


def doctor(repo: RepoOption = Path(), json: JsonOption = False) -> None:
    """Check versions, settings, recipe, model, stores, locks, freshness and leftovers.

    Says how to mend each finding, and changes nothing. Exit code 1 where something is broken;
    warnings alone end with 0.

    Example: embfeast doctor --repo feature_repo
    """
    from embfeast.plugin.doctor import examine

    findings = examine(open_store(repo))
    if json:
        print_json([finding.to_dict() for finding in findings])
    else:
        _print(findings)
    raise typer.Exit(1 if any(finding.level == "broken" for finding in findings) else 0)


def _print(findings: list[Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("check", "", "what was found, and how to mend it")
    for finding in findings:
        mend = f"\n[bold]mend:[/] {escape(finding.mend)}" if finding.mend else ""
        table.add_row(finding.check, MARKS[finding.level], escape(finding.found) + mend)
    console = Console()
    console.print(table)
    counts = {level: sum(one.level == level for one in findings) for level in MARKS}
    said = ", ".join(f"{count} {level}" for level, count in counts.items())
    console.print(said, highlight=False)
