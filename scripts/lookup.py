"""Look up a ticket's features online, or compute those of a new text, and ask the model.

`python scripts/lookup.py --ticket 17` or `python scripts/lookup.py --text "I was charged twice"`.
"""

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from feast import FeatureStore

from console import console, run
from embfeast import EmbfeastError
from embfeast.plugin.lookup import lookup
from train import Model, load

REPO = Path("feature_repo")


def stored(store: FeatureStore, tickets: list[int]) -> pd.DataFrame:
    """Return the online features of stored tickets."""
    service = store.get_feature_service("triage")
    return _frame(store, service, [{"ticket_id": ticket} for ticket in tickets])


def computed(store: FeatureStore, texts: list[str]) -> pd.DataFrame:
    """Return the features of texts, computed on demand."""
    service = store.get_feature_service("triage_live")
    return _frame(store, service, [{"text": text} for text in texts])


def answer(model: Model, features: pd.DataFrame) -> str:
    """Return the model's answer for the first row."""
    return str(model.predict(features)[0])


def _frame(store: FeatureStore, service: Any, rows: list[dict[str, Any]]) -> pd.DataFrame:
    response = store.get_online_features(features=service, entity_rows=rows).to_dict()
    return pd.DataFrame(response)


def main(
    ticket: Annotated[int | None, typer.Option(help="A stored ticket's number.")] = None,
    text: Annotated[str | None, typer.Option(help="A text that nobody has stored.")] = None,
    label: Annotated[str, typer.Option(help="Which trained model to ask.")] = "category",
    repo: Annotated[Path, typer.Option(help="The feature repository.")] = REPO,
) -> None:
    """Look up features and print them with the model's answer."""
    if (ticket is None) == (text is None):
        raise EmbfeastError("give either --ticket or --text")
    given = {"ticket_id": ticket} if ticket is not None else {"text": text}
    features = lookup(FeatureStore(repo_path=str(repo)), given)
    for name, value in features.items():
        said = f"{len(value)} numbers" if isinstance(value, list) else value
        console.print(f"{name}: {said}", highlight=False)
    model = load(repo / "data" / f"{label}.skops")
    console.print(f"{label}: {answer(model, pd.DataFrame([features]))}")


if __name__ == "__main__":
    run(main)
