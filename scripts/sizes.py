"""How large what embfeast and its extras install is: `python scripts/sizes.py`.

The files of every package in this environment are added up, an extra's without the base's.
"""

from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from licences import EXTRAS, installed

from console import console, run

LARGEST = 12


@cache
def size(name: str) -> int:
    """Return the bytes of a package's files as they lie in this environment."""
    files = (Path(str(file.locate())) for file in distribution(name).files or ())
    return sum(file.stat().st_size for file in files if file.is_file())


def page() -> str:
    """Return a Markdown table: base and extras, packages and megabytes."""
    base = installed("embfeast", frozenset()) - {"embfeast"}
    rows = [("base", base)]
    rows += [(one, installed("embfeast", frozenset({one})) - base) for one in sorted(EXTRAS)]
    lines = [f"| {name} | {len(own)} | {_megabytes(own)} |" for name, own in rows]
    largest = sorted(base, key=lambda name: -size(name))[:LARGEST]
    said = ", ".join(f"{name} {_megabytes({name})}" for name in largest)
    head = ["| install | packages | MB on disk |", "|---|---|---|"]
    return "\n".join([*head, *lines, "", f"Largest of the base: {said}."])


def _megabytes(names: set[str]) -> str:
    return f"{sum(map(size, names)) / 1e6:,.0f}"


def main() -> None:
    """Print the table."""
    console.print(page(), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run(main)
