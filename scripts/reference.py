"""The reference as HTML, from the docstrings: `python scripts/reference.py docs/reference`."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import pdoc
import typer

from console import console, run

MODULES = (  # what users import
    "embfeast",
    "embfeast.tricks",
    "embfeast.evaluation",
    "embfeast.plugin",
    "embfeast.plugin.fitting",
    "embfeast.plugin.verify",
    "embfeast.recipe.versions",
    "embfeast.encoding",
)


def main(out: Annotated[Path, typer.Argument(help="Folder to write.")]) -> None:
    """Write one page a module."""
    for module in map(import_module, MODULES):
        for name in getattr(module, "__all__", ()):
            setattr(module, name, getattr(module, name))  # pdoc does not see what is lazy
    pdoc.render.configure(docformat="numpy", show_source=False, footer_text="embfeast")
    pdoc.pdoc(*MODULES, output_directory=out)
    console.print(f"{len(MODULES)} modules: {out / 'index.html'}")


if __name__ == "__main__":
    run(main)
