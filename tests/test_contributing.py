"""What CONTRIBUTING.md says is so: the tools agree, rooms and public names are there."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from tests.conftest import LONG

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_pre_commit_runs_what_make_test_lints():
    made = (ROOT / "Makefile").read_text(encoding="utf-8").split("test: setup\n")[1]
    lints = re.findall(r"\$\(BIN\)/((?!pytest).+)", made.split("\n\n")[0])
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"].removeprefix(".venv/bin/") for hook in hooks] == [
        lint.removesuffix(" .") for lint in lints
    ]


def test_every_room_is_in_the_table():
    rooms = {path.parent.relative_to(ROOT) for path in ROOT.glob("embfeast/**/__init__.py")}
    told = {Path(name) for name in re.findall(r"^\| `(embfeast/[a-z_/]+/)`", TEXT, re.MULTILINE)}
    checked = ROOT / "embfeast" / "repository" / "check"
    assert told == rooms - {Path("embfeast"), checked.relative_to(ROOT)}


@pytest.mark.parametrize("module", ["embfeast", "embfeast.evaluation", "embfeast.repository"])
def test_the_public_names_are_there(module):
    (row,) = re.findall(rf"^\| `{module}` \| (.+) \|$", TEXT, re.MULTILINE)
    for name in re.findall(r"`(\w+)`", row):
        assert name == "__all__" or hasattr(import_module(module), name), name


def test_the_test_files_that_begin_are_there():
    assert len(set(LONG)) == len(LONG)
    assert [name for name in LONG if not (ROOT / "tests" / name).is_file()] == []
