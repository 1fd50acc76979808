"""`embfeast evaluate`: which features help on a label."""

from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Any

import typer

from embfeast.commands import options
from embfeast.commands.console import check_repository, open_repository, print_json, print_table
from embfeast.errors import EmbfeastError

# Columns of a terminal in which the table has room for how many numbers a set has.
ROOMY = 80


def evaluate(
    repo: options.Repo = Path(),
    label: Annotated[
        str | None, typer.Option(help="Label column; default: the source's own.")
    ] = None,
    labels: options.Labels = None,
    recipe: options.Recipe = None,
    source: options.Source = None,
    file: Annotated[
        Path | None, typer.Option(help="CSV, Parquet or JSON Lines instead of the repository.")
    ] = None,
    text: Annotated[str, typer.Option(help="With --file: the text column.")] = "text",
    time: Annotated[str | None, typer.Option(help="With --file: the time column.")] = None,
    model: Annotated[str, typer.Option(help="linear, trees or neighbours.")] = "linear",
    task: Annotated[
        str | None,
        typer.Option(help="What the label is: classes, ordered or numbers; default: by its look."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="time, grouped or stratified; default: what times and groups allow."),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Column that says whose text it is, for a grouped split.")
    ] = None,
    folds: options.Folds = 10,
    train_rows: Annotated[int | None, typer.Option(help="Most training rows a fold.")] = None,
    budget: options.Budget = "5m",
    only: Annotated[str | None, typer.Option(help="Compare this entry alone with raw.")] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(help="Another model beside the recipe's: a name, or '{precision: int8}'."),
    ] = None,
    choosing: Annotated[bool, typer.Option("--choose", help="Choose a recipe.")] = False,
    max_width: Annotated[int | None, typer.Option(help="With --choose: most numbers.")] = None,
    tolerance: Annotated[float, typer.Option(help="With --max-width: accepted loss.")] = 0.0,
    out: Annotated[Path | None, typer.Option(help="With --choose: write the recipe here.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw into this PNG or SVG file.")] = None,
    seed: options.Seed = 0,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="A Markdown table, of all measures.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Compare words, raw embeddings, each trick and the whole recipe on a label, with intervals.

    Everything is fitted inside each fold. By time: each later slice is predicted from all before.
    The plan and how far it is go to standard error.

    Example: embfeast evaluate --repo feature_repo --labels labels.csv --choose --out chosen.yaml
    Example: embfeast evaluate --file reviews.csv --text body --label stars --recipe recipe.yaml
    """
    if file and not label:
        raise EmbfeastError("--file needs --label, the name of the column to predict")
    if label and labels:
        raise EmbfeastError("give either --label, a column of the table, or --labels, a file")
    if not choosing and (out or max_width is not None):
        raise EmbfeastError("--out and --max-width belong to --choose")
    if choosing and beside:
        raise EmbfeastError("--beside compares models; --choose chooses among one model's features")
    if not file:
        check_repository(repo)
    from embfeast.evaluation import choose
    from embfeast.evaluation import evaluate as compare
    from embfeast.evaluation.budget import parse_budget
    from embfeast.evaluation.other_models import other_models
    from embfeast.evaluation.sets import FeatureSet, shown
    from embfeast.recipe import Recipe

    settings = Recipe.from_yaml(recipe or repo / "recipe.yaml")
    seconds = parse_budget(budget)
    columns = settings.settings.entity_columns
    group = group or (columns[0] if columns else None)
    if file and label:
        rows, encoder = _from_file(file, text, label, time, group, settings.settings.model)
    else:
        rows, encoder = _from_repository(
            repo, source, label, labels, group, settings.settings.model
        )
    common: dict[str, Any] = {
        "timestamps": rows.get("time"),
        "groups": rows.get("group"),
        "entities": {group: rows["group"]} if group else None,
        "split": split,
        "folds": folds,
        "task": task,
        "train_rows": train_rows,
        "budget": seconds,
        "encoder": encoder,
        "seed": seed,
        "tell": None if json else lambda line: typer.echo(line, err=True),
    }
    chosen = None
    if choosing:
        common |= {"max_width": max_width, "tolerance": tolerance, "model": model}
        chosen = choose(rows["text"], rows["label"], settings, **common)
        found = chosen.evaluation
    else:
        common |= {"sets": [FeatureSet(shown(only), (only,))] if only else None, "models": (model,)}
        common["others"] = other_models(settings.settings.model, beside or (), encoder.cache)
        found = compare(rows["text"], rows["label"], settings, **common)
    if figure:
        found.figure(figure)
    if out and chosen:
        out.write_text(chosen.recipe.to_yaml(), encoding="utf-8")
    _print(found, chosen, json=json, markdown=markdown)


def _from_file(
    file: Path, text: str, label: str, time: str | None, group: str | None, model: Any
) -> tuple[Any, Any]:
    from embfeast.encoding import EmbeddingCache, Encoder
    from embfeast.scaffold.loading import labelled_texts

    return labelled_texts(file, text, label, time, group), Encoder(model, cache=EmbeddingCache())


def _from_repository(
    repo: Path,
    source: str | None,
    label: str | None,
    labels: Path | None,
    group: str | None,
    model: Any,
) -> tuple[Any, Any]:
    from embfeast.repository.label_views import labels_given
    from embfeast.repository.labels import texts_and_labels

    repository = open_repository(repo)
    texts = repository.source(source)
    given = labels_given(repository, labels, source) if labels else None
    rows = texts_and_labels(texts, repo, given, label_column=label, group_column=group)
    return rows, repository.settings.encoder(model)


def _print(found: Any, chosen: Any, *, json: bool, markdown: bool) -> None:
    if json:
        choice = {}
        if chosen:
            recipe = chosen.recipe.to_yaml()
            choice = {"features": chosen.features, "reason": chosen.reason, "recipe": recipe}
        print_json(asdict(found) | ({"chosen": choice} if choice else {}))
        return
    if markdown:
        typer.echo(found.to_markdown())
    else:
        _print_for_people(found)
    if chosen:
        typer.echo(f"\nchosen: {chosen.reason}\n\n{chosen.recipe.to_yaml()}")


def _print_for_people(found: Any) -> None:
    """Print the verdict, and of each row what it rests on."""
    several = len({row.model for row in found.rows if not row.is_baseline}) > 1
    wide = get_terminal_size().columns >= ROOMY
    headings = ["model"] * several + ["features", found.measure, "to raw", "interval", "verdict"]
    rows = (
        [
            *[row.model] * several,
            row.features,
            f"{row.score:.4f}",
            f"{100 * row.difference:+.2f}" if row.verdict else "",
            f"[{100 * row.low:+.2f}, {100 * row.high:+.2f}]" if row.verdict else "",
            row.verdict,
            *[f"{row.width:,}"] * wide,
        ]
        for row in found.rows
    )
    typer.echo(found.verdict)
    print_table(headings + ["numbers"] * wide, rows, found.conditions)
    for note in found.notes:
        typer.echo(f"- {note}")
