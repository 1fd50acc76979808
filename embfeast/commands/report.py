"""`embfeast report`: one HTML file to look at."""

from pathlib import Path
from typing import Annotated

import typer

from embfeast.commands.console import JsonOption, RepoOption, open_store, print_json, progress


def report(
    repo: RepoOption = Path(),
    out: Annotated[Path, typer.Option(help="The HTML file.")] = Path("report.html"),
    label: Annotated[str | None, typer.Option(help="The table's label column.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV or Parquet of key columns, label, known_at.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="The text source, of several.")] = None,
    sample: Annotated[int, typer.Option(min=1, help="Texts looked at.")] = 2_000,
    evaluate: Annotated[
        bool, typer.Option("--evaluate/--no-evaluate", help="Measure what helps on the label.")
    ] = True,
    folds: Annotated[int, typer.Option(min=2, help="Of that; fewer than ten say little.")] = 10,
    map_method: Annotated[str, typer.Option("--map", help="tsne or umap.")] = "tsne",
    seed: Annotated[int, typer.Option(help="Of the sample and the map.")] = 0,
    json: JsonOption = False,
) -> None:
    """Draw what the fitted recipe makes of your texts, in one HTML file.

    Example: embfeast report --repo feature_repo --out report.html --label category
    """
    from embfeast.errors import EmbfeastError
    from embfeast.plugin.labelled import keys_of, read_labels
    from embfeast.plugin.repository import text_source

    if map_method not in ("tsne", "umap"):
        raise EmbfeastError(f"--map {map_method}: choose from tsne, umap")
    store = open_store(repo)
    from embfeast.report import Wanted, write_report

    texts = text_source(repo, source)
    wanted = Wanted(
        labels=read_labels(labels, keys_of(texts)) if labels else None,
        label_column=label,
        sample=sample,
        evaluate=evaluate,
        folds=folds,
        map=map_method,  # type: ignore[arg-type]
        seed=seed,
    )
    with progress("reading", quiet=json) as (bar, task):
        page = write_report(
            store, texts, out, wanted,
            progress=lambda what, share: bar.update(task, description=what, completed=share),
        )  # fmt: skip
    size = out.stat().st_size
    if json:
        facts = {card.name: card.value for card in page.cards}
        print_json({"report": str(out), "bytes": size, **facts})
    else:
        typer.echo(f"{out} ({size / 1e6:.1f} MB): open it in a browser, or send it as it is")
