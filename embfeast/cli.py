"""The command `embfeast`: thin calls of the package, each a few lines."""

import json as jsonlib
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from embfeast.errors import EmbfeastError

app = typer.Typer(
    name="embfeast",
    help="Embedding features for Feast: the same numbers in training and serving.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _commands() -> None:
    """Keep `verify` a command of its own while it is the only one."""


@app.command()
def verify(
    repo: Annotated[Path, typer.Option(help="The feature repository.")] = Path(),
    sample: Annotated[int, typer.Option(help="Texts recomputed and looked up.")] = 200,
    everything: Annotated[bool, typer.Option("--all", help="Take all texts.")] = False,
    max_lag: Annotated[float, typer.Option(help="Hours a text may lack its features.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="JSON for machines.")] = False,
) -> None:
    """Compare offline, online and recomputed values; exit code 1 on any breach.

    Example: embfeast verify --repo feature_repo --all
    """
    # Feast takes seconds to import, which `--help` need not wait for.
    from feast import FeatureStore

    from embfeast.plugin.verify import verify as check

    if not (repo / "feature_store.yaml").exists():
        raise EmbfeastError(f"{repo} has no feature_store.yaml; name the repository with --repo")
    store = FeatureStore(repo_path=str(repo))
    with _progress("verifying", quiet=json) as advance:
        findings = check(
            store,
            sample=None if everything else sample,
            max_lag=timedelta(hours=max_lag),
            seed=seed,
            progress=advance,
        )
    breaches = [finding for finding in findings if not finding.ok]
    if json:
        print(jsonlib.dumps([finding.to_dict() for finding in findings], indent=2))  # noqa: T201
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


class _progress:  # noqa: N801 - used as a function in a with statement
    """A progress bar from 0 to 1; none where nobody looks."""

    def __init__(self, what: str, *, quiet: bool) -> None:
        from rich.progress import Progress

        self._bar = Progress(disable=quiet or not sys.stderr.isatty())
        self._task = self._bar.add_task(what, total=1.0)

    def __enter__(self) -> Any:
        self._bar.start()
        return lambda share: self._bar.update(self._task, completed=share)

    def __exit__(self, *error: object) -> None:
        self._bar.stop()


def main() -> None:
    """Run the command; a user's mistake ends in one line and exit code 1."""
    try:
        app()
    except EmbfeastError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped; what is stored is unharmed", file=sys.stderr)  # noqa: T201
        sys.exit(130)


if __name__ == "__main__":
    main()
