"""`embfeast evaluate`: which features help on a label."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from embfeast.commands.console import JsonOption, RepoOption, open_store, print_json, progress
from embfeast.errors import EmbfeastError


def evaluate(
    repo: RepoOption = Path(),
    label: Annotated[
        str | None, typer.Option(help="Label column; default: the source's own.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV or Parquet: keys, label, and known_at if there is one.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="The recipe's YAML file; default: the repository's own.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Text source, if there are several.")] = None,
    model: Annotated[str, typer.Option(help="linear, trees or neighbours.")] = "linear",
    split: Annotated[str, typer.Option(help="time or stratified.")] = "time",
    folds: Annotated[int, typer.Option(help="Folds; fewer than ten say little.")] = 10,
    train_rows: Annotated[int | None, typer.Option(help="Learn from at most so many.")] = None,
    only: Annotated[str | None, typer.Option(help="Compare this entry alone with raw.")] = None,
    choosing: Annotated[bool, typer.Option("--choose", help="Choose a recipe.")] = False,
    max_width: Annotated[int | None, typer.Option(help="With --choose: most numbers.")] = None,
    tolerance: Annotated[float, typer.Option(help="With --max-width: accepted loss.")] = 0.0,
    out: Annotated[Path | None, typer.Option(help="With --choose: write the recipe here.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw into this PNG or SVG.")] = None,
    seed: Annotated[int, typer.Option(help="Of folds and draws.")] = 0,
    json: JsonOption = False,
) -> None:
    """Compare raw embeddings, each trick and the whole recipe on a label, with intervals.

    Everything is fitted inside each fold. By time: each later slice is predicted from all before.

    Example: embfeast evaluate --repo feature_repo --labels labels.csv --choose --out chosen.yaml
    """
    _check(label, labels, choosing, max_width, out)
    from embfeast.evaluation import choose
    from embfeast.evaluation import evaluate as compare
    from embfeast.evaluation.sets import FeatureSet
    from embfeast.plugin.fitting import caching_encoder
    from embfeast.plugin.labelled import keys_of, read_labels, texts_and_labels
    from embfeast.plugin.repository import text_source
    from embfeast.recipe import Recipe

    settings = Recipe.from_yaml(recipe or repo / "recipe.yaml")
    store = open_store(repo)
    texts = text_source(repo, source)
    given = read_labels(labels, keys_of(texts)) if labels else None
    rows = texts_and_labels(texts, repo, given, label_column=label)
    common: dict[str, Any] = {
        "timestamps": rows["time"],
        "split": split,
        "folds": folds,
        "train_rows": train_rows,
        "encoder": caching_encoder(store.config, settings.settings.model),
        "seed": seed,
    }
    chosen = None
    with progress("comparing", quiet=json) as (bar, task):
        common["progress"] = lambda share: bar.update(task, completed=share)
        if choosing:
            common |= {"max_width": max_width, "tolerance": tolerance, "model": model}
            chosen = choose(rows["text"], rows["label"], settings, **common)
            found = chosen.evaluation
        else:
            common |= {"sets": [FeatureSet(only, (only,))] if only else None, "models": (model,)}
            found = compare(rows["text"], rows["label"], settings, **common)
    if figure:
        found.figure(figure)
    if out and chosen:
        out.write_text(chosen.recipe.to_yaml(), encoding="utf-8")
    _print(found, chosen, json=json)


def _check(
    label: str | None, labels: Path | None, choosing: bool, max_width: int | None, out: Path | None
) -> None:
    if label and labels:
        raise EmbfeastError("give either --label, a column of the table, or --labels, a file")
    if not choosing and (out or max_width is not None):
        raise EmbfeastError("--out and --max-width belong to --choose")


def _print(found: Any, chosen: Any, *, json: bool) -> None:
    if json:
        told = asdict(found)
        if chosen:
            told["chosen"] = {
                "features": chosen.features,
                "reason": chosen.reason,
                "recipe": chosen.recipe.to_yaml(),
            }
        print_json(told)
        return
    typer.echo(found.to_markdown())
    if chosen:
        typer.echo(f"\nchosen: {chosen.reason}\n\n{chosen.recipe.to_yaml()}")
