"""The built wheel works from an empty folder, without the repository."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from embfeast import __version__
from embfeast.cli import COMMANDS

ROOT = Path(__file__).parents[1]
DATA = {".yaml", ".json", ".html", ".css", ".js", ".jinja", ".j2", ".txt", ".tmpl", ".typed"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a release where one is given, else one that is built here."""
    if given := os.environ.get("EMBFEAST_WHEEL"):
        return Path(given)
    folder = tmp_path_factory.mktemp("wheel")
    words = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([sys.executable, *words], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel, tmp_path_factory):
    """Return what runs Python on the wheel alone: the packages it needs lie beside it.

    They are those of this environment, but for embfeast itself.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True
    )
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}, scheme="venv"))
    words = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(own), str(wheel)]
    subprocess.run([sys.executable, *words], check=True)
    # A plain .pth line adds the folder and does not read that folder's own .pth files, which
    # would bring an editable embfeast back.
    (own / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    empty = folder / "empty"
    empty.mkdir()

    def run(*words):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return subprocess.run(
            [str(folder / "venv" / "bin" / "python"), *words],
            cwd=empty,
            env=environment | {"COLUMNS": "200"},
            capture_output=True,
            text=True,
        )

    return run


def test_the_wheel_holds_the_package_with_its_data_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
    kept = subprocess.run(
        ["git", "ls-files", "embfeast"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "embfeast/py.typed" in names
    assert {name for name in kept.stdout.splitlines() if (ROOT / name).exists()} <= names
    assert all(name.startswith("embfeast/") for name in names)
    assert all(Path(name).suffix in DATA | {".py"} for name in names)


def test_metadata_says_version_python_and_extras(wheel):
    said = next(iter(metadata.distributions(path=[str(wheel)]))).metadata
    assert said["Version"] == __version__
    assert said["Requires-Python"] == ">=3.11"
    assert {"redis", "postgres", "ray", "umap", "report"} <= set(said.get_all("Provides-Extra"))


def test_every_command_answers_from_an_empty_folder(elsewhere):
    said = elsewhere("-m", "embfeast.cli", "--help")
    assert said.returncode == 0, said.stderr
    assert all(command in said.stdout for command in COMMANDS)
    for command in COMMANDS:
        said = elsewhere("-m", "embfeast.cli", command, "--help")
        assert said.returncode == 0, said.stderr


def test_the_package_is_the_wheels_and_its_main_job_runs(elsewhere):
    code = (
        "import embfeast, embfeast.plugin as plugin\n"
        "for name in embfeast.__all__: getattr(embfeast, name)\n"
        "for name in plugin.__all__: getattr(plugin, name)\n"
        "recipe = embfeast.Recipe({'tricks': {'w': {'trick': 'whitener'}}})\n"
        "print(recipe.fit(['a cold soup', 'a kind waiter']).transform(['late']).num_rows)\n"
        "print(embfeast.__file__)"
    )
    said = elsewhere("-c", code)
    assert said.returncode == 0, said.stderr
    rows, file = said.stdout.split()
    assert rows == "1"
    assert "elsewhere" in file
    assert not Path(file).is_relative_to(ROOT)
