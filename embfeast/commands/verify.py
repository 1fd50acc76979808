"""`embfeast verify`: compare offline, online and recomputed values."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from embfeast.commands.console import JsonOption, RepoOption, open_store, print_json, progress


def verify(
    repo: RepoOption = Path(),
    sample: Annotated[int, typer.Option(help="Texts recomputed and looked up.")] = 200,
    everything: Annotated[bool, typer.Option("--all", help="Take all texts.")] = False,
    max_lag: Annotated[float, typer.Option(help="Hours a text may lack its features.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    json: JsonOption = False,
) -> None:
    """Compare offline, online and recomputed values; exit code 1 on any breach.

    Example: embfeast verify --repo feature_repo --all
    """
    from embfeast.plugin.verify import verify as check

    store = open_store(repo)
    with progress("verifying", quiet=json) as (bar, task):
        findings = check(
            store,
            sample=None if everything else sample,
            max_lag=timedelta(hours=max_lag),
            seed=seed,
            progress=lambda share: bar.update(task, completed=share),
        )
    breaches = [finding for finding in findings if not finding.ok]
    if json:
        print_json([finding.to_dict() for finding in findings])
    else:
        _print_findings(findings, len(breaches))
    raise typer.Exit(1 if breaches else 0)


def _print_findings(findings: list[Any], breaches: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("view", "check", "", "what was found")
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[red]breach[/]"
        table.add_row(finding.view, finding.check, mark, finding.detail)
    console = Console()
    console.print(table)
    console.print(f"{len(findings)} checks, {breaches} breaches", highlight=False)
