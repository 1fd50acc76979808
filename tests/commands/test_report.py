import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from embfeast import EmbfeastError
from embfeast.cli import app
from tests.report.conftest import messages
from tests.report.repositories import make_repository

TRICKS = {"reduced": {"trick": "embedding_reducer", "n_components": 3}}


@pytest.mark.slow
def test_the_command_writes_the_file_and_says_so_for_machines(tmp_path, encoder):
    repo = make_repository(tmp_path / "repo", messages(20), TRICKS, label="topic", encoder=encoder)
    out = tmp_path / "report.html"
    asked = ["report", "--repo", str(repo), "--out", str(out), "--no-evaluate", "--json"]
    said = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert said.exit_code == 0
    facts = json.loads(said.stdout)
    assert facts["bytes"] == out.stat().st_size
    assert facts["Texts"] == "20"
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.slow
def test_the_comparison_inside_a_report_ends_with_its_budget(tmp_path, encoder):
    repo = make_repository(tmp_path / "repo", messages(40), TRICKS, label="topic", encoder=encoder)
    out = tmp_path / "report.html"
    asked = ["report", "--repo", str(repo), "--out", str(out), "--budget", "0.01s"]
    assert CliRunner().invoke(app, asked, catch_exceptions=False).exit_code == 0
    assert "The budget ended after 2 of" in out.read_text(encoding="utf-8")


def test_an_unknown_map_is_refused_with_the_valid_ones(tmp_path):
    with pytest.raises(EmbfeastError, match="tsne, umap"):
        CliRunner().invoke(
            app, ["report", "--repo", str(tmp_path), "--map", "mds"], catch_exceptions=False
        )


def test_a_missing_extra_says_what_to_install():
    code = (
        "import sys; sys.modules['altair'] = None\n"
        "from embfeast.errors import EmbfeastError\n"
        "try: import embfeast.report\n"
        "except EmbfeastError as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "embfeast[report]"' in ran.stdout
