"""Cut a release: `make release VERSION=0.2.0` names it, builds it and tests what it has built.

It commits, tags and uploads nothing.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from console import console, run
from embfeast import EmbfeastError

ROOT = Path(__file__).parents[1]


def main(version: Annotated[str, typer.Argument(help="The version to be released.")]) -> None:
    """Name the version in its files, build wheel and sdist, and test the wheel."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise EmbfeastError(f"version {version!r} is not one of a release", "write it as 0.2.0")
    name(version, ROOT)
    out = ROOT / "dist"
    shutil.rmtree(out, ignore_errors=True)
    _python("-m", "build", "--outdir", str(out), str(ROOT))  # the wheel is built from the sdist
    (wheel,) = out.glob(f"embfeast-{version}-*.whl")
    _python("-m", "pytest", "-q", "tests/test_package.py", EMBFEAST_WHEEL=str(wheel))
    console.print(
        f"{out} has been tested. Now: git commit --all --message 'Release {version}', "
        f"git tag v{version}, and upload what lies there."
    )


def name(version: str, root: Path) -> None:
    """Write a version into the package, and what has changed since the last one under its name."""
    package, changelog = root / "embfeast" / "__init__.py", root / "CHANGELOG.md"
    heading = rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$"
    # By an earlier try.
    collected = re.search(heading, changelog.read_text(encoding="utf-8"), re.MULTILINE)
    if not collected and not [*(root / "changelog.d").glob("*.md")]:
        raise EmbfeastError(
            "changelog.d/ holds no change", "write one, say changelog.d/+name.added.md"
        )
    said = re.sub(
        '^__version__ = ".*"$',
        f'__version__ = "{version}"',
        package.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    package.write_text(said, encoding="utf-8")
    if not collected:
        words = [sys.executable, "-m", "towncrier", "build", "--yes", "--version", version]
        subprocess.run(words, cwd=root, check=True)  # noqa: S603


def _python(*words: str, **environment: str) -> None:
    subprocess.run([sys.executable, *words], cwd=ROOT, env=os.environ | environment, check=True)  # noqa: S603


if __name__ == "__main__":
    run(main)
