"""Run the gallery and draw its pictures again: `make gallery`.

Its second part needs Banking77's training file in `../shared/data`, docs/gallery.md says where it
is from; without it that part's pictures stay as they are.
"""

import contextlib
import doctest
import re
import shutil
import tempfile
from pathlib import Path

from console import console, run
from embfeast import EmbfeastError

DOCS = Path("docs")
REAL = Path("../shared/data/banking77_train.csv")
REAL_PART = "\n## On real texts"


def blocks(page: str) -> list[str]:
    """Return the Python of a page, block by block, without prompts."""
    fenced = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    asked = [[one.source for one in doctest.DocTestParser().get_examples(code)] for code in fenced]
    return ["".join(own) or code for own, code in zip(asked, fenced, strict=True)]


def gallery() -> None:
    """Run the page's blocks in a folder of their own, and keep the pictures that they draw."""
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "gallery").mkdir()
        shutil.copy(DOCS / "reviews.csv", folder)
        if REAL.exists():
            shutil.copy(REAL, folder)
        else:
            page = page.partition(REAL_PART)[0]
        known: dict[str, object] = {}
        with contextlib.chdir(folder):
            for block in blocks(page):
                exec(compile(block, "gallery.md", "exec"), known)  # noqa: S102 (our own page)
        drawn = sorted((folder / "gallery").iterdir())
        if not drawn:
            raise EmbfeastError("docs/gallery.md draws no picture")
        for picture in drawn:
            shutil.copy(picture, DOCS / "gallery")
            console.print(f"{DOCS / 'gallery' / picture.name}: {picture.stat().st_size:,} bytes")


if __name__ == "__main__":
    run(gallery)
