"""Feast's own integration tests on embfeast's stores, beside Feast's dask and duckdb.

`FEAST_TESTS=<checkout of feast>/sdk/python python scripts/feast_suite.py` makes an environment of
its own, runs the files and prints a table of counts and what fails on ours alone. Nothing of
Feast's tests is kept in this repository.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Annotated

import typer

from console import console

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = ROOT / "tests" / "feast_suite"
ENVIRONMENT = ROOT / ".environments" / "feast-suite"
STORES = ("duckdb_table", "parquet_folder", "parquet_file", "feast_dask", "feast_duckdb")
FILES = (
    "offline_store/test_offline_write.py",
    "offline_store/test_push_features_to_offline_store.py",
    "offline_store/test_persist.py",
    "offline_store/test_universal_historical_retrieval.py",
    "offline_store/test_universal_types.py",
    "online_store/test_universal_e2e.py",
    "online_store/test_universal_online.py",
    "registration/test_inference.py",
    "cli/test_universal_cli.py",
)
# Pinned for embfeast, and wanted in another version by Feast's tests.
OWN_PINS = ("pytest", "moto", "coverage")

Counts = dict[str, str]  # of a test's name to passed, failed or skipped


def main(
    files: Annotated[list[str] | None, typer.Argument(help="below tests/integration")] = None,
    store: Annotated[list[str] | None, typer.Option(help=", ".join(STORES))] = None,
    online: Annotated[str, typer.Option(help="sqlite, redis, postgres")] = "sqlite",
) -> None:
    """Run Feast's tests on each store and compare what passes."""
    checkout = os.environ.get("FEAST_TESTS")
    if not checkout:
        console.print("skipped: FEAST_TESTS names no checkout of feast (its folder sdk/python)")
        return
    python = environment()
    chosen = store or STORES
    for file in files or FILES:
        results = {one: run(python, Path(checkout), file, one, online) for one in chosen}
        console.print(f"| {file} | " + " | ".join(summary(results[one]) for one in chosen) + " |")
        for name in only_ours_fail(results):
            console.print(f"  fails on ours alone: {name}", soft_wrap=True)


def environment() -> Path:
    """Make the environment of Feast's tests, which want an older pytest, once."""
    python = ENVIRONMENT / "bin" / "python"
    if python.exists():
        return python
    uv = str(Path(sys.executable).with_name("uv"))
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    constraints = ENVIRONMENT.parent / "feast-suite.txt"
    constraints.write_text("\n".join(pin for pin in pins if not pin.startswith(OWN_PINS)))
    without = ENVIRONMENT.parent / "without_torch.txt"
    without.write_text('torch ; python_version < "3"\n')
    make = [uv, "venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT)]
    subprocess.run(make, check=True)  # noqa: S603 (our own words)
    install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    install += ["--constraint", str(constraints), "--override", str(without)]
    install += ["--editable", ".[redis,postgres,ui]", "ibis-framework[duckdb]"]
    install += ["--requirement", str(CONFIGURATION / "requirements.txt")]
    subprocess.run(install, check=True, cwd=ROOT)  # noqa: S603
    return python


def run(python: Path, checkout: Path, file: str, store: str, online: str) -> Counts:
    """Run a file of Feast's tests on a store, and return how each test ended."""
    with tempfile.TemporaryDirectory() as folder:
        # The tests alone: the checkout's own feast must not hide the one that is installed.
        shutil.copytree(checkout / "tests", Path(folder) / "tests")
        shutil.copy(checkout / "pytest.ini", folder)
        shutil.copytree(CONFIGURATION, Path(folder) / "ours")
        path = os.pathsep.join(str(Path(folder) / name) for name in ("", "ours", "ours/stubs"))
        chosen = {"SUITE_STORE": store, "SUITE_ONLINE": online, "PYTHONPATH": path}
        chosen |= {"FULL_REPO_CONFIGS_MODULE": "repo_configuration", "FEAST_USAGE": "False"}
        chosen |= {"FEAST_IS_LOCAL_TEST": "True", "IS_TEST": "True"}
        chosen["PATH"] = os.pathsep.join((str(python.parent), os.environ["PATH"]))
        report = Path(folder) / "report.xml"
        words = ["--integration", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        done = subprocess.run(  # noqa: S603
            [str(python), "-m", "pytest", *words, f"tests/integration/{file}"],
            cwd=folder,
            env=os.environ | chosen,
            capture_output=True,
            text=True,
        )
        if not report.exists():
            raise SystemExit(f"{file} on {store} did not run:\n{done.stdout[-3000:]}{done.stderr}")
        cases = ElementTree.parse(report).iter("testcase")  # noqa: S314 (pytest has just written it)
        return {case.get("name", ""): ended(case) for case in cases}


def ended(case: ElementTree.Element) -> str:
    """Return how a test ended."""
    kinds = {child.tag for child in case}
    if kinds & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in kinds else "passed"


def summary(counts: Counts) -> str:
    """Return passed and failed, as the table has them."""
    ways = list(counts.values())
    return f"{ways.count('passed')} / {ways.count('failed')}"


def only_ours_fail(results: dict[str, Counts]) -> list[str]:
    """Return the tests that fail on a store of ours and pass on one of Feast's own."""
    feasts = [counts for store, counts in results.items() if store.startswith("feast_")]
    ours = {store: counts for store, counts in results.items() if not store.startswith("feast_")}

    # The creator's name stands in a test's parameters: names are compared without them.
    passed = {name.split("[")[0] for one in feasts for name, way in one.items() if way == "passed"}
    return [
        f"{store}: {name.split('[')[0]}"
        for store, counts in ours.items()
        for name, way in counts.items()
        if way == "failed" and name.split("[")[0] in passed
    ]


if __name__ == "__main__":
    typer.run(main)
