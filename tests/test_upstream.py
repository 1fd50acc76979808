"""The faults of Feast that `docs/upstream` reports are still there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "upstream"
REPORTS = sorted(FOLDER.glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.stem)
def test_plain_feast_still_shows_the_fault(report, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", report],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"FEAST_USAGE": "False"},
    )
    # What it saw is its last word: an error of the script itself would end with 1 too.
    assert ran.stdout.strip(), ran.stderr
    assert ran.returncode == 1, f"mended? {ran.stdout}"


def test_each_report_is_listed_and_knows_nothing_of_ours():
    listed = (FOLDER / "README.md").read_text()
    for report in REPORTS:
        assert f"`{report.name}`" in listed
        assert "embfeast" not in report.read_text()
