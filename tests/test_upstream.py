"""The faults of Feast that `docs/upstream` reports are still there."""

import os
import runpy
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.plugin.engine.ray_machines import NOT_STARTED

FOLDER = Path(__file__).parents[1] / "docs" / "upstream"
REPORTS = sorted(FOLDER.glob("*.py"))
SECONDS = 600


@pytest.fixture(scope="module")
def forks():
    """Processes that have imported Feast, and nothing of ours."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["feast", "pandas"])
    return context


def run(report: Path, folder: Path) -> None:
    """Run a report as a program, its words in a file."""
    os.chdir(folder)
    for stream, name in ((1, "said"), (2, "errors")):
        os.dup2(os.open(name, os.O_CREAT | os.O_WRONLY), stream)
    runpy.run_path(str(report), run_name="__main__")


@pytest.mark.slow
@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.stem)
def test_plain_feast_still_shows_the_fault(report, tmp_path, forks):
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        running = forks.Process(target=run, args=(report, folder))
        running.start()
        running.join(SECONDS)
        running.kill()  # where it goes on for ever
        running.join()
        errors = (folder / "errors").read_text()
        if NOT_STARTED not in errors:
            break
    # What it saw is its last word: an error of the script itself would end with 1 too.
    said = (folder / "said").read_text()
    assert said.strip(), errors
    assert running.exitcode == 1, f"mended? {said}"


def test_each_report_is_listed_and_knows_nothing_of_ours():
    listed = (FOLDER / "README.md").read_text()
    for report in REPORTS:
        assert f"`{report.name}`" in listed
        assert "embfeast" not in report.read_text()
