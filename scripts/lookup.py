"""Look up a ticket's features online, or compute those of a new text, and ask the model.

`python scripts/lookup.py --ticket 17` or `python scripts/lookup.py --text "I was charged twice"`,
with `--customer 3` beside what this customer wrote before.
"""

from pathlib import Path
from typing import Annotated

import typer
from feast import FeatureStore

from console import console, run
from embfeast import EmbfeastError
from embfeast.repository import lookup
from train import load

REPO = Path("feature_repo")


def main(
    ticket: Annotated[int | None, typer.Option(help="A stored ticket's number.")] = None,
    text: Annotated[str | None, typer.Option(help="A text that nobody has stored.")] = None,
    customer: Annotated[int | None, typer.Option(help="Who writes that text.")] = None,
    label: Annotated[str, typer.Option(help="Which trained model to ask.")] = "category",
    repo: Annotated[Path, typer.Option(help="The feature repository.")] = REPO,
) -> None:
    """Look up features and print them with the model's answer."""
    if (ticket is None) == (text is None) or (ticket is not None and customer is not None):
        raise EmbfeastError("give either --ticket or --text, and with --text perhaps --customer")
    given = {"ticket_id": ticket, "text": text, "customer_id": customer}
    given = {name: value for name, value in given.items() if value is not None}
    features = lookup(FeatureStore(repo_path=str(repo)), given)
    for name, value in features.items():
        said = f"{len(value)} numbers" if isinstance(value, list) else value
        console.print(f"{name}: {said}", highlight=False)
    answer = load(repo / "data" / f"{label}.skops").answer(features)
    console.print(f"{label}: {answer}")


if __name__ == "__main__":
    run(main)
