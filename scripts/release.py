"""Build and test the artifacts of a release: `make release VERSION=0.2.0`. It tags nothing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from console import console, run
from embfeast import EmbfeastError, __version__

ROOT = Path(__file__).parents[1]


def main(version: Annotated[str, typer.Argument(help="The version to be released.")]) -> None:
    """Check that all files name the version, build wheel and sdist, and test the wheel."""
    check(version, __version__, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    out = ROOT / "dist"
    shutil.rmtree(out, ignore_errors=True)
    _python("-m", "build", "--outdir", str(out), str(ROOT))  # the wheel is built from the sdist
    (wheel,) = out.glob(f"embfeast-{version}-*.whl")
    _python("-m", "pytest", "-q", "tests/test_package.py", EMBFEAST_WHEEL=str(wheel))
    console.print(f"{out} has been tested. Now: git tag v{version}, and upload what lies there.")


def check(version: str, named: str, changelog: str) -> None:
    """Refuse a version that the package or the changelog does not name."""
    if named != version:
        raise EmbfeastError(
            f"embfeast/__init__.py has version {named}", f"write __version__ = {version!r} there"
        )
    heading = re.search(r"^## (.+)$", changelog, re.MULTILINE)
    if heading is None or not re.fullmatch(
        rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", heading[1]
    ):
        raise EmbfeastError(
            f"CHANGELOG.md begins with {heading and heading[1]!r}",
            f"write its heading as `## {version} (YYYY-MM-DD)`, with the day of the release",
        )


def _python(*words: str, **environment: str) -> None:
    subprocess.run([sys.executable, *words], cwd=ROOT, env=os.environ | environment, check=True)  # noqa: S603


if __name__ == "__main__":
    run(main)
