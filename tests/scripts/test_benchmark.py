import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmark import BENCHMARKS
from benchmarks.measure import Row, compared, markdown

SCRIPT = Path(__file__).parents[2] / "scripts" / "benchmark.py"
KEYS = {"name", "against", "ours", "theirs", "unit", "ratio", "needed", "met"}


def test_a_ratio_says_how_many_times_faster_ours_is_where_seconds_are_compared():
    row = compared("a", "b", [1.0, 2.0, 3.0], [8.0, 20.0, 9.0], "s", ">= 4", inverse=True)
    assert (row.ours, row.theirs, row.ratio, row.met) == (2.0, 9.0, 4.5, True)
    assert not compared("a", "b", [3.0], [2.0], "ms", "<= 1.4").met


def test_a_missed_figure_is_called_missed():
    assert "**missed**" in markdown([Row("a", "b", 2.0, 1.0, "s", 2.0, "<= 1")])


def test_large_figures_have_no_exponent():
    said = markdown([Row("a", "b", 44260.4, 1.5e-5, "texts/s", 2.0, ">= 1")])
    assert "| 44260 | 1.5e-05 |" in said


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_is_there(name):
    assert callable(
        getattr(import_module(f"benchmarks.{BENCHMARKS[name]}"), name.replace("-", "_"))
    )


NOISY = """
import subprocess, sys
sys.path.insert(0, "scripts")
import typer
from benchmarks import startup
from benchmarks.measure import Row
import benchmark

def measured():
    print("a library says something")
    subprocess.run([sys.executable, "-c", "print('and another program')"], check=True)
    return [Row("startup", "allowed", 0.1, 0.5, "CPU s", 0.2, "<= 1")]

startup.startup = measured
typer.run(benchmark.main)
"""


def test_json_alone_goes_to_standard_output_whatever_libraries_and_programs_print():
    command = [sys.executable, "-c", NOISY, "startup", "--json"]
    ended = subprocess.run(command, cwd=SCRIPT.parents[1], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    (row,) = json.loads(ended.stdout)
    assert set(row) == KEYS
    assert "a library says something" in ended.stderr
    assert "and another program" in ended.stderr


def test_an_unknown_name_is_answered_with_the_valid_ones():
    ended = subprocess.run([sys.executable, str(SCRIPT), "speed"], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "choose from encode, encode-bfloat16" in ended.stderr
