"""Feast's own integration tests on embfeast's stores, beside Feast's dask and duckdb.

`FEAST_TESTS=<checkout of feast>/sdk/python python scripts/feast_suite.py` makes an environment of
its own, runs the files and prints a table of counts and what fails on ours alone. Nothing of
Feast's tests is kept in this repository.
"""

import os
import re
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
# Left out: what needs a cloud, Kubernetes, dbt, MLflow or an old Great Expectations, and the
# docstrings of Feast itself.
FILES = (
    "offline_store/test_offline_write.py",
    "offline_store/test_push_features_to_offline_store.py",
    "offline_store/test_persist.py",
    "offline_store/test_feature_logging.py",
    "offline_store/test_non_entity_mode.py",
    "offline_store/test_universal_historical_retrieval.py",
    "offline_store/test_universal_materialization.py",
    "offline_store/test_universal_types.py",
    "offline_server/test_offline_server.py",
    "online_store/test_universal_e2e.py",
    "online_store/test_universal_online.py",
    "online_store/test_universal_online_types.py",
    "online_store/test_push_features_to_online_store.py",
    "online_store/test_remote_online_store.py",
    "online_store/test_hybrid_online_store.py",
    "materialization/test_universal_materialization.py",
    "registration/test_feature_store.py",
    "registration/test_inference.py",
    "registration/test_universal_odfv_feature_inference.py",
    "registration/test_universal_registry.py",
    "permissions/auth/server/test_auth_registry_server.py",
    "monitoring/test_monitoring_integration.py",
    "cli/test_cli_apply_duplicates.py",
    "cli/test_universal_cli.py",
    "local_feast_tests/test_e2e_local.py",
    "test_mcp_feature_server.py",
)
# Pinned for embfeast, and wanted in another version by Feast's tests.
OWN_PINS = ("pytest", "moto", "coverage")
SECONDS_A_TEST = 300
# A test's parameters name the store that it runs on, which is no part of what it proves.
STORE_IN_NAME = re.compile(r"[\w.]+:\w+:\w+:python_fs:(True|False)")

Counts = dict[str, str]  # of a test's file, class and name to passed, failed or skipped


def main(
    files: Annotated[list[str] | None, typer.Argument(help="below tests/integration")] = None,
    store: Annotated[list[str] | None, typer.Option(help=", ".join(STORES))] = None,
    online: Annotated[
        str,
        typer.Option(
            help="sqlite, redis, postgres, milvus, or pgvector: PGHOST, PGPORT, PGUSER and "
            "PGPASSWORD name a PostgreSQL with its extension"
        ),
    ] = "sqlite",
    remote: Annotated[bool, typer.Option(help="Ask it behind `feast serve_offline`.")] = False,
    patience: Annotated[float, typer.Option(help="Times longer than the tests wait.")] = 1,
) -> None:
    """Run Feast's tests on each store and compare what passes."""
    checkout = os.environ.get("FEAST_TESTS")
    if not checkout:
        console.print("skipped: FEAST_TESTS names no checkout of feast (its folder sdk/python)")
        return
    python = environment()
    chosen, files = store or list(STORES), files or list(FILES)
    how = {"SUITE_ONLINE": online, "SUITE_REMOTE": "yes" if remote else ""}
    how["SUITE_PATIENCE"] = str(patience)
    results = {}
    for one in chosen:
        results[one] = run(python, Path(checkout), files, {"SUITE_STORE": one, **how})
    console.print("| file | " + " | ".join(chosen) + " |")
    for file in files:
        of_file = {one: in_file(results[one], file) for one in chosen}
        counts = (summary(of_file[one]) for one in chosen)
        console.print(f"| `{file}` | " + " | ".join(counts) + " |", soft_wrap=True)
    for name in only_ours_fail(results):
        console.print(f"fails on ours alone: {name}", soft_wrap=True)
    for name in all_fail(results):
        console.print(f"fails on all: {name}", soft_wrap=True)


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
    install += ["--editable", ".[redis,postgres,milvus,ui]", "ibis-framework[duckdb]"]
    install += ["--requirement", str(CONFIGURATION / "requirements.txt")]
    subprocess.run(install, check=True, cwd=ROOT)  # noqa: S603
    return python


def run(python: Path, checkout: Path, files: list[str], chosen: dict[str, str]) -> Counts:
    """Run files of Feast's tests on a store, and return how each test ended."""
    with tempfile.TemporaryDirectory() as folder:
        # The tests alone: the checkout's own feast must not hide the one that is installed.
        shutil.copytree(checkout / "tests", Path(folder) / "tests")
        shutil.copy(checkout / "pytest.ini", folder)
        shutil.copytree(CONFIGURATION, Path(folder) / "ours")
        path = os.pathsep.join(str(Path(folder) / name) for name in ("", "ours", "ours/stubs"))
        chosen |= {"PYTHONPATH": path, "FULL_REPO_CONFIGS_MODULE": "repo_configuration"}
        chosen |= {"FEAST_USAGE": "False", "FEAST_IS_LOCAL_TEST": "True", "IS_TEST": "True"}
        chosen["PATH"] = os.pathsep.join((str(python.parent), os.environ["PATH"]))
        report = Path(folder) / "report.xml"
        words = ["--integration", "-q", "-p", "no:cacheprovider"]
        words += ["-p", "patience", "-p", "repo_configuration"]
        seconds = SECONDS_A_TEST * float(chosen["SUITE_PATIENCE"])
        words += ["--continue-on-collection-errors", "--timeout", str(seconds)]
        words += ["--timeout-method", "signal"]
        done = subprocess.run(  # noqa: S603
            [
                str(python),
                "-m",
                "pytest",
                *words,
                f"--junitxml={report}",
                *(f"tests/integration/{file}" for file in files),
            ],
            cwd=folder,
            env=os.environ | chosen,
            capture_output=True,
            text=True,
        )
        if not report.exists():
            said = f"{done.stdout[-3000:]}{done.stderr}"
            raise SystemExit(f"{chosen['SUITE_STORE']}: exit code {done.returncode}\n{said}")
        if log := os.environ.get("FEAST_SUITE_LOG"):  # all that pytest has said
            name = "-".join(chosen[part] for part in ("SUITE_STORE", "SUITE_ONLINE"))
            (Path(log) / f"{name}.txt").write_text(done.stdout + done.stderr)
        cases = ElementTree.parse(report).iter("testcase")  # noqa: S314 (pytest has just written it)
        return {full_name(case): ended(case) for case in cases}


def full_name(case: ElementTree.Element) -> str:
    """Return a test's file, class and name, without the store that it ran on."""
    name = STORE_IN_NAME.sub("store", case.get("name", ""))
    return f"{case.get('classname', '').removeprefix('tests.integration.')}.{name}"


def in_file(counts: Counts, file: str) -> Counts:
    """Return the tests of one file."""
    start = file.removesuffix(".py").replace("/", ".") + "."
    return {name: way for name, way in counts.items() if name.startswith(start)}


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
    passed = {name for one in feasts for name, way in one.items() if way == "passed"}
    return [
        f"{store}: {name}"
        for store, counts in ours.items()
        for name, way in counts.items()
        if way == "failed" and name in passed
    ]


def all_fail(results: dict[str, Counts]) -> list[str]:
    """Return the tests that pass on no store."""
    ways = [{name for name, way in one.items() if way == "failed"} for one in results.values()]
    return sorted(set.intersection(*ways))


if __name__ == "__main__":
    typer.run(main)
