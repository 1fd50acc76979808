"""The main job, end to end: text to training set, model, online lookup and proof of parity.

`python scripts/demo.py` on generated tickets, or on your own file with
`python scripts/demo.py --data reviews.csv --text body --label stars`.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import duckdb
import pandas as pd
import typer
import yaml
from feast import FeatureStore
from rich.table import Table

from console import console, run
from embfeast import EmbfeastError
from embfeast.commands.console import progress
from embfeast.plugin.compute import joined_texts
from embfeast.recipe.versions import load_current
from feast_command import feast
from fit import fit
from ingest import ingest
from lookup import answer, computed, stored
from make_sample import make_sample
from materialize import materialize
from parity import Difference, compare
from train import Model, feature_columns, train, training_set
from train import save as save_model

REPO = Path("feature_repo")
PARITY_TICKETS = 300
# The design's rule 5: stored values are equal to the bit, recomputed ones within this.
MOST_RECOMPUTED = 1e-6
NEW_TEXT = "I was charged twice this month and nobody answers, please give me my money back!"


class Steps:
    """The demo's steps, with their seconds for the closing table."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, float]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Time a step; the result that it appends to the list is its one line."""
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
            return [str(make_sample(database, rows, seed, lambda done: bar.advance(task, done)))]
    if not text:
        raise EmbfeastError("--data needs --text, the name of the column that holds the texts")
    summary = ingest(data, database, text, label=label)
    return [str(summary), *summary.notes]


def recipe_for(repo: Path, label: str | None) -> Path:
    """Return the recipe for a user's file: anchors from the label names, else by clustering."""
    recipe = yaml.safe_load((repo / "recipe.yaml").read_text())
    recipe["tricks"]["similarity"]["anchors"] = _label_anchors(repo, label) or 12
    path = repo / "data" / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True))
    return path


def _label_anchors(repo: Path, label: str | None) -> dict[str, list[str]]:
    if label is None:
        return {}
    with _tickets(repo) as connection:
        found = connection.execute("SELECT DISTINCT category FROM labels ORDER BY 1").fetchall()
    names = [str(row[0]) for row in found if row[0] is not None]
    words = {name: re.sub(r"[\W_]+", " ", name).strip() for name in names}
    worded = all(re.search(r"[^\W\d]", said) for said in words.values())
    return (
        {name: [said] for name, said in words.items()} if worded and 1 < len(words) <= 100 else {}
    )


def refit_and_apply(repo: Path, recipe: Path, steps: Steps) -> None:
    """Fit the recipe and register its views."""
    with steps.step("Fit") as said:
        fitted = fit(repo, recipe)
        said.append(
            f"recipe {fitted.digest[:12]} on {fitted.record.rows:,} texts before "
            f"{fitted.record.as_of}, {fitted.record.missing} missing or blank"
        )
    with steps.step("Apply") as said:
        feast(repo, "apply")
        count = len(FeatureStore(repo_path=str(repo)).list_all_feature_views())
        said.append(f"{count} views registered")
    with steps.step("Materialize") as said:
        materialize(repo)
        said.append("whole period into the offline store and SQLite")


def learn(repo: Path, steps: Steps) -> tuple[Model | None, pd.DataFrame]:
    """Read the training set and train, where there are labels."""
    with steps.step("Training set") as said:
        try:
            with console.status("joining features as of each label's time"):
                frame = training_set(repo, "category")
        except EmbfeastError:
            said.append("no labels: give LABEL=column to train a model")
            return None, pd.DataFrame()
        features = feature_columns(frame)
        numbers = sum(len(v) if hasattr(v, "__len__") else 1 for v in _first(frame[features]))
        said.append(f"{len(frame):,} rows, {len(features)} features ({numbers:,} numbers)")
    with steps.step("Train") as said:
        cutoff = pd.Timestamp(load_current(repo / "data" / "recipes").record.as_of)
        with console.status("training"):
            model, scores = train(frame, cutoff)
        save_model(model, repo / "data" / "category.skops")
        said.append(
            f"{scores.train_rows:,} rows before the cutoff, {scores.test_rows:,} after: accuracy "
            f"majority {scores.majority:.3f}, raw embedding {scores.raw:.3f}, "
            f"all features {scores.everything:.3f}"
        )
    return model, frame


def serve(repo: Path, model: Model | None, steps: Steps) -> None:
    """Look one ticket up, and answer for a text that nobody has stored."""
    store = FeatureStore(repo_path=str(repo))
    ticket, text = _newest(repo, 1)[0]
    with steps.step("Lookup") as said:
        features = stored(store, [ticket])
        category = answer(model, features) if model else "no model"
        said.append(
            f"ticket {ticket} ({_short(text)}): {len(features.columns)} columns, {category}"
        )
    with steps.step("New text") as said:
        features = computed(store, [NEW_TEXT])
        category = answer(model, features) if model else "no model"
        said.append(f"{_short(NEW_TEXT)}: {len(features.columns)} columns, {category}")


def prove(repo: Path, steps: Steps) -> None:
    """Compare offline, online and on-demand values; stop where they break the promise."""
    with steps.step("Parity") as said:
        store = FeatureStore(repo_path=str(repo))
        newest = _newest(repo, PARITY_TICKETS)
        tickets = [ticket for ticket, _ in newest]
        now = datetime.now(UTC)
        entities = pd.DataFrame({"ticket_id": tickets, "event_timestamp": [now] * len(tickets)})
        service = store.get_feature_service("triage")
        offline = store.get_historical_features(entity_df=entities, features=service).to_df()
        features = feature_columns(offline)
        with console.status("computing the same features on demand"):
            kept = compare(offline, stored(store, tickets), features)
            live = compare(offline, computed(store, [text for _, text in newest]), features)
        said.append(
            f"{len(tickets)} tickets, {kept.values:,} numbers: offline against online "
            f"{_said(kept)}, against on demand {_said(live)}"
        )
        if kept.unequal or live.largest > MOST_RECOMPUTED:
            raise EmbfeastError(f"parity is broken: {' '.join(said)}")


def _said(difference: Difference) -> str:
    if not difference.unequal:
        return "equal to the bit"
    return (
        f"{difference.unequal} unequal, largest difference {difference.largest:.1e} "
        f"({difference.where})"
    )


def _newest(repo: Path, count: int) -> list[tuple[int, str]]:
    """Return tickets spread over the table, with the text of their newest revision."""
    with _tickets(repo) as connection:
        rows = connection.sql(
            "SELECT ticket_id, subject, body FROM tickets WHERE trim(body) <> '' "
            "QUALIFY row_number() OVER (PARTITION BY ticket_id ORDER BY event_timestamp DESC, "
            "created_timestamp DESC) = 1 ORDER BY hash(ticket_id) LIMIT ?",
            params=[count],
        ).to_arrow_table()
    texts = joined_texts(rows, ("subject", "body"))
    return [(t, str(text)) for t, text in zip(rows["ticket_id"].to_pylist(), texts, strict=True)]


def _tickets(repo: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(repo / "data" / "tickets.duckdb"), read_only=True)


def _first(frame: pd.DataFrame) -> list[object]:
    whole = frame.dropna()
    return list((whole if len(whole) else frame).iloc[0])


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
    """Run the main job from text to training set, model, lookup and parity."""
    steps = Steps()
    with steps.step("Sample" if data is None else "Load") as said:
        said.extend(load_data(repo, data, text or [], label, rows, seed))
    recipe = repo / "recipe.yaml" if data is None else recipe_for(repo, label)
    refit_and_apply(repo, recipe, steps)
    model, _ = learn(repo, steps)
    serve(repo, model, steps)
    prove(repo, steps)
    console.print(steps.table())


if __name__ == "__main__":
    run(main)
