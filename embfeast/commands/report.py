"""`embfeast report`: one HTML file to look at."""

from pathlib import Path
from typing import Annotated

import typer

from embfeast.commands import options
from embfeast.commands.console import check_repository, open_repository, print_json, progress
from embfeast.errors import EmbfeastError


def report(
    repo: options.Repo = Path(),
    out: Annotated[Path, typer.Option(help="The HTML file.")] = Path("report.html"),
    label: Annotated[str | None, typer.Option(help="The table's label column.")] = None,
    labels: options.Labels = None,
    source: options.Source = None,
    sample: Annotated[int, typer.Option(min=1, help="Texts in the sample.")] = 2_000,
    evaluate: Annotated[
        bool, typer.Option("--evaluate/--no-evaluate", help="Measure what helps on the label.")
    ] = True,
    folds: options.Folds = 10,
    budget: options.Budget = "5m",
    map_method: Annotated[str, typer.Option("--map", help="tsne or umap.")] = "tsne",
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Draw what the fitted recipe makes of your texts, in one HTML file.

    Example: embfeast report --repo feature_repo --out report.html --label category
    """
    if map_method not in ("tsne", "umap"):
        raise EmbfeastError(f"--map {map_method}: choose from tsne, umap")
    check_repository(repo)
    from embfeast.evaluation.budget import parse_budget

    seconds = parse_budget(budget)
    repository = open_repository(repo)
    from embfeast.report import Wanted, write_report
    from embfeast.repository.label_views import labels_given

    texts = repository.source(source)
    wanted = Wanted(
        labels=labels_given(repository, labels, source) if labels else None,
        label_column=label,
        sample=sample,
        evaluate=evaluate,
        folds=folds,
        budget=seconds,
        map=map_method,  # type: ignore[arg-type]
        seed=seed,
    )
    with progress("reading", quiet=json) as (bar, task):
        page = write_report(
            repository, texts, out, wanted,
            progress=lambda what, share: bar.update(task, description=what, completed=share),
        )  # fmt: skip
    size = out.stat().st_size
    if json:
        facts = {card.name: card.value for card in page.cards}
        print_json({"report": str(out), "bytes": size, **facts})
    else:
        typer.echo(f"{out} ({size / 1e6:.1f} MB): open it in a browser, or send it as it is")
