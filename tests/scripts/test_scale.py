import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from scale import Rates, read_rates

SCRIPT = Path(__file__).parents[2] / "scripts" / "scale.py"
# A text costs 3.6 core-seconds, so a thousand cost a core-hour, of which half encodes.
ROUND = Rates("a day, 10 texts", 1.8, 1.2, 0.6, 4e6, 1e6, 2e6)


def _run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def rates(tmp_path):
    path = tmp_path / "rates.yaml"
    path.write_text(yaml.safe_dump(asdict(ROUND)))
    return path


def _cells(printed: str) -> dict[str, list[str]]:
    lines = [line.strip("│ ").split("│") for line in printed.splitlines() if "│" in line]
    return {part.strip(): [cell.strip() for cell in cells] for part, *cells in lines}


def test_a_plan_multiplies_rates_by_texts_and_prices(rates):
    words = ["plan", "1e6", "--rates", rates, "--hours", 10, "--cores", 30, "--core-hour", 2]
    ended = _run(*words, "--cold", 0.5, "--warm", 3)
    assert ended.returncode == 0, ended.stderr
    cells = _cells(ended.stdout)
    assert cells["encode, core-hours"] == ["500.00", "1,000.00"]
    assert cells["the first run, core-hours"] == ["1,000.00", "2,000.00"]
    # 1,000 core-hours in 10 hours are 100 cores: four machines of 30, which take 8 h 20.
    assert cells["machines of 30 cores"][0] == "4.00"
    assert cells["hours of the first run"][0] == "8.33"
    assert cells["feature tables, GB, a month"] == ["4,000.00", "2,000.00"]
    assert cells["online store, GB, a month"] == ["2,000.00", "6,000.00"]


def test_a_file_that_holds_no_rates_is_refused_with_the_command_that_writes_one(tmp_path):
    (tmp_path / "empty.yaml").write_text("a: 1")
    for name in ("empty.yaml", "missing.yaml"):
        ended = _run("plan", 10, "--rates", tmp_path / name)
        assert ended.returncode == 1
        assert "scale.py measure --to" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_the_rates_of_this_repository_are_there():
    assert all(cost > 0 for cost in read_rates(SCRIPT.with_name("rates.yaml")).seconds.values())


@pytest.mark.slow
def test_measured_rates_are_read_by_a_plan(tmp_path):
    path = tmp_path / "rates.yaml"
    ended = _run("measure", 500, "--to", path)
    assert ended.returncode == 0, ended.stderr
    rates = read_rates(path)
    assert rates.encode > 0
    assert rates.feature_tables > 1_000  # a vector of 384 floats alone takes more
    assert rates.online_store > 1_000
