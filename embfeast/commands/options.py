"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Repo = Annotated[Path, typer.Option("--repo", "-r", help="The feature repository.")]
Labels = Annotated[
    Path | None, typer.Option(help="CSV or Parquet: keys, label, known_at; or VIEW:COLUMN.")
]
Recipe = Annotated[
    Path | None, typer.Option(help="The recipe's YAML file; default: the repository's own.")
]
Source = Annotated[str | None, typer.Option(help="Text source, if there are several.")]
Folds = Annotated[int, typer.Option(min=2, help="Folds; fewer than ten say little.")]
Budget = Annotated[
    str, typer.Option(help="Time to compare after encoding: 90s, 5m, 1h; none: no end.")
]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Json = Annotated[bool, typer.Option("--json", help="JSON for machines, and nothing else.")]
