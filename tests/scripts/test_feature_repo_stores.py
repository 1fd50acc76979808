"""The sample repository on Redis and on PostgreSQL, by Feast's commands and ours."""

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg
import pytest
import yaml

from make_sample import make_sample
from tests.scripts.conftest import ROOT
from tests.services import POSTGRES, REDIS, keys_of, postgres_database, redis_keys

PROJECT = f"embfeast_{uuid.uuid4().hex[:8]}"
PROGRAMS = Path(sys.executable).parent


@pytest.mark.parametrize("other", ["redis", "postgres"])
def test_the_yamls_differ_in_the_stores_alone(other):
    repo = ROOT / "feature_repo"
    one = yaml.safe_load((repo / "feature_store.yaml").read_text())
    two = yaml.safe_load((repo / f"feature_store.{other}.yaml").read_text())
    changed = {"online_store", "registry"} if other == "postgres" else {"online_store"}
    assert {key for key in one if one[key] != two[key]} == changed
    assert one.keys() == two.keys()


@pytest.fixture(params=["redis", "postgres"])
def settings(request):
    """The environment of a server, and what a project has stored there."""
    if request.param == "redis":
        with redis_keys(PROJECT) as client:
            given = {"REDIS_CONNECTION": f"{REDIS['host']}:{REDIS['port']}"}
            yield "feature_store.redis.yaml", given, lambda: keys_of(client, PROJECT)
    else:
        with postgres_database() as database:
            given = {f"PG{key.upper()}": str(value) for key, value in POSTGRES.items()}
            given |= {"PGDATABASE": database, "PGSSLMODE": "prefer"}
            yield "feature_store.postgres.yaml", given, lambda: online_tables(database)


def online_tables(database):
    with psycopg.connect(dbname=database, **POSTGRES) as connection:
        sql = "SELECT tablename FROM pg_tables WHERE tablename LIKE %s"
        return connection.execute(sql, [f"{PROJECT}%"]).fetchall()


def run(folder: Path, *command: str, **environment: str) -> str:
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=os.environ | environment
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def script(name: str) -> list[str]:
    return [sys.executable, str(ROOT / "scripts" / name)]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted")
    ignored = shutil.ignore_patterns("data", "__pycache__")
    shutil.copytree(ROOT / "feature_repo", folder / "feature_repo", ignore=ignored)
    make_sample(folder / "feature_repo" / "data" / "tickets.duckdb", 60, 7)
    run(folder, *script("fit.py"))
    return folder


@pytest.mark.slow
def test_the_main_job_on_another_store_is_one_yaml_away(settings, fitted, tmp_path):
    name, given, stored = settings
    folder = shutil.copytree(fitted, tmp_path / "copy")
    yaml_file = folder / "feature_repo" / name
    text = yaml_file.read_text().replace("project: tickets", f"project: {PROJECT}")
    yaml_file.write_text(text)
    chosen = given | {"FEAST_FS_YAML_FILE_PATH": f"feature_repo/{name}"}
    feast = [str(PROGRAMS / "feast"), "-c", "feature_repo"]

    run(folder, *feast, "-f", f"feature_repo/{name}", "apply", **given)
    assert "computed, 0 were there already" in run(folder, *script("materialize.py"), **chosen)
    assert stored()
    verify = [str(PROGRAMS / "embfeast"), "verify", "--repo", "feature_repo", "--all"]
    assert ": no breach" in run(folder, *verify, **chosen)
    assert not (folder / "feature_repo" / "data" / "online.db").exists()
    run(folder, *feast, "teardown", **chosen)
    assert stored() == []
