"""The licences of all that embfeast and its extras install: `python scripts/licences.py`."""

from collections import defaultdict
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from console import console, run

PAGE = Path(__file__).parents[1] / "docs" / "licences.md"
EXTRAS = {
    *("redis", "postgres", "dynamodb", "ray", "ui", "milvus", "umap", "faiss", "report"),
    *("lineage", "openai", "openvino", "mcp"),
}
HEAD = """# Licences

What `pip install "embfeast[{extras}]"` brings, by the
licence that each package's own metadata names; written by `scripts/licences.py`, compared by
`tests/packaging/test_licences.py`. Embfeast itself is Apache-2.0. LGPL and MPL ask something of
those who change such a package, or ship it (an image does): none is changed here.

| licence | packages |
|---|---|
"""


def installed(name: str = "embfeast", extras: frozenset[str] = frozenset(EXTRAS)) -> set[str]:
    """Return the names of a package and of what it needs here, and so on."""
    found: set[tuple[str, frozenset[str]]] = set()
    ahead = [(canonicalize_name(name), extras)]
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead += _needs(distribution(one[0]), one[1])
    return {name for name, _ in found}


def _needs(package: Distribution, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    wanted = map(Requirement, package.requires or ())
    return [
        (canonicalize_name(one.name), frozenset(one.extras))
        for one in wanted
        if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in extras | {""})
    ]


def licence(name: str) -> str:
    """Return a package's licence: its expression, else its classifiers, else its free words."""
    said = distribution(name).metadata
    classifiers = [
        one.split(" :: ")[-1]
        for one in said.get_all("Classifier", [])
        if one.startswith("License :: OSI Approved :: ")
    ]
    words = (said.get("License") or "").strip().split("\n")[0]
    return said.get("License-Expression") or " OR ".join(classifiers) or words


def page() -> str:
    """Return the page: one line a licence."""
    by_licence = defaultdict(list)
    for name in sorted(installed() - {"embfeast"}):
        by_licence[licence(name)].append(name)
    rows = (f"| {one} | {', '.join(names)} |\n" for one, names in sorted(by_licence.items()))
    return HEAD.format(extras=",".join(sorted(EXTRAS))) + "".join(rows)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    console.print(f"{len(installed())} packages: {PAGE}")


if __name__ == "__main__":
    run(main)
