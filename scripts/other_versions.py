"""Tests on another Python, or with another Feast, than those of the environment this runs in.

`python scripts/other_versions.py python 3.13` runs the main job in an environment of that Python;
`python scripts/other_versions.py feast 0.66.0` runs the plugin's quick tests with that release.
Where the environment cannot be made, no test has failed: it ends with 75, "try again later".
"""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import typer
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / ".environments"
PLUGIN_TESTS = ("tests/plugin", "tests/repository")

# Each of two test processes keeps to its core, as in the Makefile.
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1")

NOT_INSTALLED = 75  # EX_TEMPFAIL of sysexits.h

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command("python")
def on_python(version: str) -> None:
    """Run the main job on another Python, with the pinned packages.

    They come without torch, which only the export of a model needs: `make setup` has exported the
    default one, and this environment finds it where that of the setup has put it.
    """
    folder = ENVIRONMENTS / f"python-{version}"
    ENVIRONMENTS.mkdir(exist_ok=True)
    without = ENVIRONMENTS / f"without_torch-{version}.txt"  # others may be made at once
    without.write_text('torch ; python_version < "3"\n')
    chosen = {"PYENV_VERSION": version}  # pyenv's python3.13 starts nothing without it
    make = ("uv", "venv", "--quiet", "--clear", "--no-python-downloads")
    _install(*make, "--python", version, str(folder), **chosen)
    install = ("uv", "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"))
    pinned = ("--constraint", "constraints.txt", "--override", str(without))
    _install(*install, *pinned, "--editable", ".", "pytest", **chosen)
    _pytest(folder / "bin" / "python", "tests/test_main_job.py")


@app.command("feast")
def with_feast(version: str) -> None:
    """Run the plugin's quick tests with another release of Feast, and what that one needs.

    Both lie in a folder before the environment's packages, the rest of which serves.
    """
    folder = ENVIRONMENTS / f"feast-{version}"
    install = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade")
    _install(*install, "--target", str(folder), f"feast=={version}")
    if lacking := [str(one) for one in _requirements(folder) if not _is_met(one)]:
        _install(*install, "--target", str(folder), *lacking)
    path = os.pathsep.join((str(folder), str(ROOT)))
    side_by_side = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-m", "not slow")
    _pytest(Path(sys.executable), *PLUGIN_TESTS, *side_by_side, PYTHONPATH=path, **ONE_CORE)


def _requirements(folder: Path) -> list[Requirement]:
    (feast,) = (one for one in metadata.distributions(path=[str(folder)]) if one.name == "feast")
    needs = [Requirement(line) for line in feast.requires or ()]
    return [one for one in needs if not one.marker or one.marker.evaluate({"extra": ""})]


def _is_met(requirement: Requirement) -> bool:
    try:
        return requirement.specifier.contains(metadata.version(requirement.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False


def _install(*command: str, **variables: str) -> None:
    if _run(*command, **variables):
        typer.echo(f"not run: {' '.join(command[:3])} ... has failed", err=True)
        raise typer.Exit(NOT_INSTALLED)


def _pytest(python: Path, *words: str, **variables: str) -> None:
    command = (str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *words)
    if failed := _run(*command, **variables):
        raise typer.Exit(1 if failed == NOT_INSTALLED else failed)


def _run(*command: str, **variables: str) -> int:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return subprocess.run(  # noqa: S603 (our own words and a version)
        command, cwd=ROOT, env=os.environ | {"PATH": path} | variables
    ).returncode


if __name__ == "__main__":
    app()
