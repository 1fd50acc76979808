"""Materialize the whole period: `python scripts/materialize.py`."""

from pathlib import Path
from typing import Annotated

import duckdb
import typer

from console import console, run
from embfeast import EmbfeastError
from feast_command import feast

REPO = Path("feature_repo")


def period(repo: Path) -> tuple[str, str]:
    """Return the first and last event time of the tickets, in ISO 8601."""
    database = repo / "data" / "tickets.duckdb"
    if not database.exists():
        raise EmbfeastError(f"{database} is missing; run scripts/make_sample.py or ingest.py first")
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        first, last = connection.execute(
            "SELECT min(event_timestamp), max(event_timestamp) FROM tickets"
        ).fetchone()
    if first is None:
        raise EmbfeastError(f"table tickets of {database} has no rows")
    return first.isoformat(), last.isoformat()


def materialize(repo: Path) -> None:
    """Run `feast materialize` over the whole period of the tickets."""
    feast(repo, "materialize", *period(repo))


def main(
    repo: Annotated[Path, typer.Option(help="The feature repository.")] = REPO,
) -> None:
    """Materialize all tickets into the offline store and the online store."""
    materialize(repo)
    console.print("materialized " + " to ".join(period(repo)))


if __name__ == "__main__":
    run(main)
