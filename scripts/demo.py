"""The main job, end to end: text to training set, model, online lookup and verification.

`python scripts/demo.py` on generated tickets, or on your own file with
`python scripts/demo.py --data reviews.csv --text body --label stars`.
"""

import math
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Annotated

import duckdb
import typer
import yaml
from feast import FeatureStore
from rich.console import Console
from rich.table import Table

from console import console, feast, run
from embfeast import EmbfeastError
from embfeast.commands import fit, materialize, verify
from embfeast.commands.console import progress
from embfeast.recipe.versions import load_current
from embfeast.repository import lookup
from embfeast.scaffold.anchors import concepts
from ingest import ingest
from make_sample import make_sample
from train import Model, cutoff_of, feature_columns, train, training_set
from train import save as save_model

REPO = Path("feature_repo")
NEW_TEXT = "I was charged twice this month and nobody answers, please give me my money back!"


class Steps:
    """The demo's steps, with their seconds for the closing table."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, float]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Time a step; what it appends to the list is printed, and stands in the closing table."""
        said: list[str] = []
        console.rule(f"{len(self.rows) + 1} {name}", align="left")
        started = time.perf_counter()
        yield said
        self.rows.append((name, " ".join(said), time.perf_counter() - started))
        console.print(" ".join(said), highlight=False, markup=False)

    def table(self) -> Table:
        """Return the closing table."""
        table = Table(title="embfeast demo", title_justify="left")
        for heading in ("step", "result", "seconds"):
            table.add_column(heading, justify="right" if heading == "seconds" else "left")
        for name, result, seconds in self.rows:
            table.add_row(name, result, f"{seconds:.1f}")
        table.add_row("all", "", f"{sum(row[2] for row in self.rows):.1f}")
        return table


def load_data(
    repo: Path, data: Path | None, text: list[str], label: str | None, rows: int, seed: int
) -> list[str]:
    """Make the sample, or load the user's file; return what to say of it."""
    database = repo / "data" / "tickets.duckdb"
    if data is None:
        with progress("tickets", total=rows) as (bar, task):
            return [make_sample(database, rows, seed, lambda done: bar.advance(task, done))]
    if not text:
        raise EmbfeastError("--data needs --text, the name of the column that holds the texts")
    return ingest(data, database, text, label=label)


def recipe_for(repo: Path) -> Path:
    """Return the recipe for a user's file, which does not say who wrote its texts.

    Anchors come from the label names, else from clusters; without labels there are no neighbours'.
    """
    recipe = yaml.safe_load((repo / "recipe.yaml").read_text())
    with _tickets(repo) as connection:
        found = connection.execute("SELECT DISTINCT category FROM labels ORDER BY 1").fetchall()
    tricks = recipe["tricks"]
    tricks["similarity"]["anchors"] = concepts([row[0] for row in found])[0] or 12
    del tricks["history"]
    if not found:
        del tricks["neighbours"]
    path = repo / "data" / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True))
    return path


def refit_and_apply(repo: Path, recipe: Path, steps: Steps) -> None:
    """Fit the recipe, register its views and compute them."""
    with steps.step("Fit the recipe") as said:
        with redirect_stdout(StringIO()):  # its bar goes elsewhere
            fit.fit(repo, recipe)
        record = load_current(repo / "data" / "recipes").record
        until = datetime.fromisoformat(str(record.as_of))
        said.append(f"learned from {record.rows:,} texts, none of them later than {until:%d %B %Y}")
    with steps.step("Register its features in Feast") as said:
        with console.status("feast apply"):
            feast(repo, "apply")
        views = FeatureStore(repo_path=str(repo)).list_all_feature_views()
        said.append(f"{len(views)} views, {sum(len(view.features) for view in views)} features")
    with steps.step("Compute the features of every text") as said:
        with _quiet("feast materialize"):
            materialize.materialize(repo)
        said.append("stored for training, and in SQLite for serving")


def learn(repo: Path, steps: Steps) -> Model | None:
    """Read the training set and train, where there are labels."""
    with steps.step("Get a training set") as said:
        try:
            with console.status("joining features as of each label's time"), _fitted_before():
                frame = training_set(repo, "category")
        except EmbfeastError:
            said.append("no labels: give LABEL=column to train a model")
            return None
        width = len(feature_columns(frame))
        said.append(f"{len(frame):,} labelled texts, {width} features, each as it was then")
    with steps.step("Train a model") as said:
        with console.status("training"):
            model, accuracy = train(frame, cutoff_of(repo))
        save_model(model, repo / "data" / "category.skops")
        said.append(accuracy)
    return model


def serve(repo: Path, model: Model | None, steps: Steps) -> None:
    """Look one ticket up, and answer for a text that nobody has stored, and for who writes it."""
    store = FeatureStore(repo_path=str(repo))
    ticket, text = _a_ticket(repo)
    asked = {
        "Look a stored text up": (f"ticket {ticket}, {_short(text)}", {"ticket_id": ticket}),
        "Ask about a new text": (_short(NEW_TEXT), {"text": NEW_TEXT}),
    }
    for name, (what, given) in asked.items():
        with steps.step(name) as said:
            features = lookup(store, given)
            answer = f"the model says {model.answer(features)}" if model else "no model to ask"
            said.append(f"{what}: {answer}")
    customer = _a_customer(repo)
    if customer is None:  # a user's file
        return
    with steps.step("Ask about a new text of a customer") as said:
        features = lookup(store, {"text": NEW_TEXT, "customer_id": customer})
        before = math.expm1(features["history_log_count"])
        cosine = features["history_similarity"]
        said.append(
            f"customer {customer} wrote {before:.0f} texts before, and this one has the cosine "
            f"{cosine:.2f} to their mean"
        )


def prove(repo: Path, steps: Steps) -> None:
    """Compare offline, online and recomputed values; stop where they differ."""
    with steps.step("Verify") as said:
        printed = StringIO()
        try:
            with redirect_stdout(printed):
                verify.verify(repo)
        except typer.Exit as ended:
            if ended.exit_code:
                console.print(printed.getvalue(), highlight=False, markup=False)
                raise EmbfeastError("stored and recomputed values differ, see above") from None
        said.append("values for training, for serving and computed anew are the same")


@contextmanager
def _quiet(what: str) -> Iterator[None]:
    """Say what is being done, and leave out what Feast and the engine print meanwhile."""
    shown = Console(file=sys.stdout)
    with shown.status(what), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        yield


@contextmanager
def _fitted_before() -> Iterator[None]:
    """Leave out the advice to score on rows after the fit's cutoff, which is what is done here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="recipe .* was fitted on texts up to")
        yield


def _a_ticket(repo: Path) -> tuple[int, str]:
    """Return a ticket with its newest text."""
    with _tickets(repo) as connection:
        return connection.execute(
            "SELECT ticket_id, concat_ws(chr(10), subject, body) FROM tickets "
            "WHERE trim(body) <> '' ORDER BY hash(ticket_id), event_timestamp DESC LIMIT 1"
        ).fetchone()


def _a_customer(repo: Path) -> int | None:
    """Return who wrote most."""
    with _tickets(repo) as connection:
        found = connection.execute(
            "SELECT customer_id FROM tickets WHERE customer_id IS NOT NULL "
            "GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
        ).fetchone()
    return found[0] if found else None


def _tickets(repo: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(repo / "data" / "tickets.duckdb"), read_only=True)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line[:57]}…”" if len(line) > 58 else f"“{line}”"


def main(
    data: Annotated[Path | None, typer.Option(help="Your CSV, Parquet or JSON Lines file.")] = None,
    text: Annotated[list[str] | None, typer.Option(help="Its text column.")] = None,
    label: Annotated[str | None, typer.Option(help="Its label column.")] = None,
    repo: Annotated[Path, typer.Option(help="The feature repository.")] = REPO,
    rows: Annotated[int, typer.Option(help="Tickets in the generated sample.")] = 5_000,
    seed: Annotated[int, typer.Option(help="Seed of the generated sample.")] = 7,
) -> None:
    """Run the main job from text to training set, model, lookup and verification."""
    steps = Steps()
    with steps.step("Make support tickets" if data is None else "Load your texts") as said:
        said.extend(load_data(repo, data, text or [], label, rows, seed))
    recipe = repo / "recipe.yaml" if data is None else recipe_for(repo)
    refit_and_apply(repo, recipe, steps)
    serve(repo, learn(repo, steps), steps)
    prove(repo, steps)
    console.print(steps.table())


if __name__ == "__main__":
    run(main)
