"""`embfeast verify`: compare offline, online and recomputed values."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from embfeast.commands import options
from embfeast.commands.console import open_repository, print_json, print_table, progress

KEYS = ("view", "check", "ok", "detail")


def verify(
    repo: options.Repo = Path(),
    sample: Annotated[int, typer.Option(min=1, help="Texts recomputed and looked up.")] = 200,
    everything: Annotated[
        bool, typer.Option("--all", help="Take all texts, print all checks.")
    ] = False,
    max_lag: Annotated[float, typer.Option(help="Hours a text may lack its features.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Random seed of the sample.")] = 0,
    json: options.Json = False,
) -> None:
    """Compare offline, online and recomputed values; exit code 1 on any breach.

    Prints breaches and one line of what was checked; with --all every check.

    Example: embfeast verify --repo feature_repo --all
    """
    repository = open_repository(repo, runs_its_files=False)
    from embfeast.repository import verify as check

    with progress("verifying", quiet=json) as (bar, task):
        findings = check(
            repository,
            sample=None if everything else sample,
            max_lag=timedelta(hours=max_lag),
            seed=seed,
            progress=lambda share: bar.update(task, completed=share),
        )
    breaches = [finding for finding in findings if not finding.ok]
    if json:
        print_json([{name: getattr(one, name) for name in KEYS} for one in findings])
    else:
        _print_findings(findings if everything else breaches, _summary(findings, breaches))
    raise typer.Exit(1 if breaches else 0)


def _summary(findings: list[Any], breaches: list[Any]) -> str:
    views = len({one.view for one in findings})
    found = {0: "no breach", 1: "1 breach"}.get(len(breaches), f"{len(breaches)} breaches")
    return f"{len(findings)} checks of {views} views: {found}"


def _print_findings(findings: list[Any], summary: str) -> None:
    if not findings:
        typer.echo(summary)
        return
    from rich.text import Text

    marks = {True: Text("ok", "green"), False: Text("breach", "red")}
    rows = ((one.view, one.check, marks[one.ok], one.detail) for one in findings)
    print_table(("view", "check", "", "what was found"), rows, summary)
