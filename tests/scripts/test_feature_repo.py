"""The sample repository under Feast's own commands, as a user types them."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from make_sample import make_sample
from tests.scripts.conftest import ROOT

pytestmark = pytest.mark.slow


class Shell:
    """Commands in a copy of the sample repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(
            ROOT / "feature_repo",
            folder / "feature_repo",
            ignore=shutil.ignore_patterns("data", "__pycache__"),
        )
        make_sample(folder / "feature_repo" / "data" / "tickets.duckdb", 120, 7)

    def __call__(self, *command: str, code: int = 0) -> str:
        if command[0] == "feast":
            words = [
                str(Path(sys.executable).with_name("feast")),
                "-c",
                "feature_repo",
                *command[1:],
            ]
        else:
            words = [sys.executable, str(ROOT / "scripts" / command[0]), *command[1:]]
        ran = subprocess.run(
            words,
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=os.environ | {"COLUMNS": "200"},
        )
        said = ran.stdout + ran.stderr
        assert ran.returncode == code, said
        if code:
            assert "Traceback" not in said, said
        return said


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    return Shell(tmp_path_factory.mktemp("shell"))


def test_the_stock_commands_and_the_scripts_do_the_main_job(shell):
    assert "fit one first" in shell("feast", "apply", code=1)
    assert "fitted on" in shell("fit.py")
    assert "Created" in shell("feast", "plan")
    assert re.search(
        r"New feature tables of recipe \w{12}.*ticket_reduced", shell("feast", "apply")
    )
    again = shell("feast", "apply")
    assert "New feature table" not in again
    assert "Updated" not in shell("feast", "plan")
    assert "computed, 0 were there already" in shell("materialize.py")
    assert " 0 computed" in shell("materialize.py")
    shell("feast", "materialize-incremental", "2026-07-10T00:00:00")

    assert "all features" in shell("train.py")
    assert "category:" in shell("lookup.py", "--ticket", "17")
    assert "category:" in shell("lookup.py", "--text", "I was charged twice")
    of_text = shell("lookup.py", "--text", "I was charged twice", "--customer", "3")
    assert "category:" in of_text
    of_ticket = shell("lookup.py", "--ticket", "17")
    for feature in ("history_log_count", "neighbour_similarity", "words"):
        assert f"{feature}: " in of_text
        assert f"{feature}: " in of_ticket


def test_a_refit_is_seen_by_plan_and_apply_and_must_be_applied_first(shell):
    before = (shell.folder / "feature_repo/data/recipes/current").read_text()
    shell("fit.py", "--as-of", "2026-03-01")
    assert (shell.folder / "feature_repo/data/recipes/current").read_text() != before
    assert "run `feast apply`" in shell("feast", "materialize", "2025-07-01", "2026-07-10", code=1)
    plan = shell("feast", "plan")
    assert "ticket_reduced" in plan
    assert before.strip() in plan, "the old digest is shown beside the new one"
    assert re.search(
        r"New feature tables of recipe \w{12}.*ticket_reduced", shell("feast", "apply")
    )
    shell("feast", "materialize-incremental", "2026-07-11T00:00:00")
    # Which labels have columns is decided by the fit.
    assert "run scripts/train.py again" in shell("lookup.py", "--ticket", "17", code=1)
    shell("train.py")
    assert "category:" in shell("lookup.py", "--ticket", "17")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["fit.py", "--as-of", "2020-01-01"], "has no rows before 2020-01-01"),
        (["fit.py", "--as-of", "soon"], "no ISO 8601 time"),
        (["fit.py", "--recipe", "none.yaml"], "none.yaml cannot be read"),
        (["train.py", "--label", "mood"], "labels have no column 'mood'"),
        (["lookup.py", "--ticket", "99999"], "has no features in the online store"),
        (["lookup.py"], "give either --ticket or --text"),
        (["make_sample.py", "--rows", "-5"], "must be at least 1"),
    ],
)
def test_a_mistake_ends_in_one_line_and_exit_code_1(shell, command, message):
    said = shell(*command, code=1)
    assert message in said


@pytest.mark.parametrize(
    "script", ["make_sample", "ingest", "fit", "materialize", "train", "lookup", "demo"]
)
def test_every_script_explains_itself(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{script}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "scripts" / f"{script}.py"), run_name="__main__")
    assert not ended.value.code
    assert "--help" in capsys.readouterr().out


def test_teardown_removes_the_online_store_and_keeps_history_and_texts(shell):
    shell("feast", "teardown")
    left = {path.name for path in (shell.folder / "feature_repo" / "data").iterdir()}
    assert "online.db" not in left
    assert {"features", "recipes", "tickets.duckdb"} <= left
