"""Does it help? `python scripts/evaluate.py reviews.csv --text body --label stars`.

Compares raw embeddings, each trick of the recipe alone and beside raw, and the whole recipe on your
own labels. Without a file: the sample's tickets and their categories, in order of time.
"""

from pathlib import Path
from typing import Annotated

import duckdb
import pandas as pd
import typer

from console import console, run
from embfeast import EmbfeastError, Encoder, Recipe
from embfeast.commands.console import progress
from embfeast.encoding import EmbeddingCache
from embfeast.evaluation import choose, evaluate
from embfeast.evaluation.sets import FeatureSet
from embfeast.plugin.database import quote
from embfeast.scaffold.loading import check_columns, columns_of, scan_file

REPO = Path("feature_repo")
TICKETS = (
    "SELECT DISTINCT ON (ticket_id) concat_ws(chr(10), subject, body) AS text, {label} AS label, "
    "tickets.event_timestamp AS time FROM tickets JOIN labels USING (ticket_id) "
    "ORDER BY ticket_id, tickets.event_timestamp"
)


def read_table(
    file: Path | None, repo: Path, text: str, label: str, time: str | None
) -> pd.DataFrame:
    """Return texts, labels and times, of a file or of the sample's tickets."""
    try:
        if file is None:
            database = repo / "data" / "tickets.duckdb"
            if not database.exists():
                raise EmbfeastError(f"{database} is not there; name a file, or run make_sample.py")
            with duckdb.connect(str(database), read_only=True) as connection:
                return connection.sql(TICKETS.format(label=quote(label))).df()
        moment = f", {quote(time)} AS time" if time else ""
        source = scan_file(file)
        with duckdb.connect() as connection:
            types = columns_of(connection, source, file)
            check_columns(types, file, [text], label, None, time)
            return connection.sql(
                f"SELECT {quote(text)} AS text, {quote(label)} AS label{moment} FROM {source}"
            ).df()
    except duckdb.Error as error:
        what = str(error).splitlines()[0]
        raise EmbfeastError(f"{file or 'tickets'} cannot be read: {what}") from error


def main(
    file: Annotated[Path | None, typer.Argument(help="CSV, Parquet or JSON Lines.")] = None,
    text: Annotated[str, typer.Option(help="Text column.")] = "text",
    label: Annotated[str, typer.Option(help="Label column: classes or numbers.")] = "category",
    time: Annotated[str | None, typer.Option(help="Time column, for a split by time.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="The recipe's YAML file.")] = None,
    repo: Annotated[Path, typer.Option(help="The feature repository.")] = REPO,
    model: Annotated[str, typer.Option(help="linear, trees or neighbours.")] = "linear",
    split: Annotated[str | None, typer.Option(help="time or stratified.")] = None,
    only: Annotated[str | None, typer.Option(help="Compare this entry alone with raw.")] = None,
    folds: Annotated[int, typer.Option(help="Folds; fewer than ten say little.")] = 10,
    train_rows: Annotated[int | None, typer.Option(help="Learn from at most so many.")] = None,
    choosing: Annotated[bool, typer.Option("--choose", help="Choose a recipe.")] = False,
    max_width: Annotated[int | None, typer.Option(help="With --choose: most numbers.")] = None,
    tolerance: Annotated[float, typer.Option(help="With --max-width: accepted loss.")] = 0.0,
    json: Annotated[bool, typer.Option("--json", help="JSON instead of Markdown.")] = False,
    figure: Annotated[Path | None, typer.Option(help="Draw into this PNG or SVG.")] = None,
    seed: Annotated[int, typer.Option(help="Folds and draws.")] = 0,
) -> None:
    """Compare feature sets on a label and say which help."""
    table = read_table(file, repo, text, label, time)
    settings = Recipe.from_yaml(recipe or repo / "recipe.yaml")
    common = {
        "timestamps": table.get("time"),
        "split": split or ("time" if "time" in table else "stratified"),
        "folds": folds,
        "train_rows": train_rows,
        "encoder": Encoder(settings.settings.model, cache=EmbeddingCache()),
        "seed": seed,
    }
    with progress("comparing") as (bar, task):
        common["progress"] = lambda share: bar.update(task, completed=share)
        if choosing:
            chosen = choose(
                table["text"],
                table["label"],
                settings,
                max_width=max_width,
                tolerance=tolerance,
                model=model,
                **common,
            )
            found = chosen.evaluation
        else:
            sets = [FeatureSet(only, (only,))] if only else None
            found = evaluate(
                table["text"], table["label"], settings, models=(model,), sets=sets, **common
            )
    print(found.to_json() if json else found.to_markdown())
    if choosing:
        console.print(f"\nchosen: {chosen.reason}", highlight=False)
        console.print(chosen.recipe.to_yaml(), highlight=False)
    if figure:
        found.figure(figure)


if __name__ == "__main__":
    run(main)
