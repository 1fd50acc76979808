"""Chunks on a real cluster of two machines, both of them processes on this one."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import duckdb
import pyarrow as pa
import pytest
from feast import FeatureStore

from embfeast import EmbfeastError
from embfeast.plugin.engine import part_writer, ray_executor, ray_pool
from embfeast.plugin.engine.compute_engine import EmbeddingComputeEngineConfig
from embfeast.plugin.online.write import write_online
from embfeast.recipe.versions import load_current
from embfeast.repository.check.verify import verify
from embfeast.tables.files import write_file
from embfeast.tables.place import Place
from embfeast.tables.table import Table
from embfeast.texts.opened import OpenedTexts
from tests.plugin.engine.ray_machines import two_machines
from tests.plugin.test_online_stores import ServerRepo, postgres_store
from tests.services import REDIS, postgres_database, redis_keys
from tests.small_repository import Repo, day, sample_rows

pytest.importorskip("ray")
PERIOD = (day(-1), day(400))


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A repository that was fitted and applied; its texts are long enough to take a while."""
    repo = Repo(tmp_path_factory.mktemp("template") / "repo")
    more = [
        (100 + i, "more", f"Text {i}. " + "It takes the model a while. " * 20, day(i), day(i))
        for i in range(26)
    ]
    repo.write_texts(sample_rows() + more)
    repo.apply(repo.fit(day(8)))
    return repo.path


@pytest.fixture
def repo(template, tmp_path):
    shutil.copytree(template, tmp_path / "repo")
    return Repo(tmp_path / "repo")


@pytest.fixture(scope="module")
def expected(template, tmp_path_factory):
    """What a run on one machine stores, a file a chunk as on Ray."""
    path = tmp_path_factory.mktemp("local") / "repo"
    shutil.copytree(template, path)
    local = Repo(path)
    with patch.object(part_writer, "LONGEST_WAIT", 0.0):
        FeatureStore(config=local.config(cache=None)).materialize(*PERIOD)
    return stored(local)


@pytest.fixture(scope="module")
def cluster():
    """Of whose machines the last test loses one."""
    with two_machines() as made:
        yield made


def tables(repo: Repo) -> list[Table]:
    root = repo.path / "data" / "features"
    return [Table.open(Place(str(folder))) for folder in sorted(root.glob("*/*"))]


def stored(repo: Repo) -> dict[str, pa.Table]:
    """Return the rows of every table in one order: equal ones are equal to the bit."""
    return {
        table.place.path.parent.name: table.query(f"SELECT * FROM {table.scan()} ORDER BY 1, 2, 3")
        for table in tables(repo)
    }


@contextmanager
def online_server(kind: str, project: str):
    """Give what feature_store.yaml says of a server; what is stored there is removed afterwards."""
    if kind == "redis":
        with redis_keys(project):
            yield {"type": "redis", "connection_string": f"{REDIS['host']}:{REDIS['port']}"}
    else:
        with postgres_database() as database:
            yield postgres_store(database)


def on_ray(repo: Repo, **engine) -> FeatureStore:
    return FeatureStore(config=repo.config(executor="ray", cache=None, **engine))


def assert_right(repo: Repo, store: FeatureStore, expected: dict[str, pa.Table]) -> None:
    assert stored(repo) == expected
    assert [str(f) for f in verify(store, sample=10) if not f.ok] == []
    assert None not in repo.lookup(store, [0, 100, 125])["embedding"]


@pytest.mark.slow
def test_two_machines_store_the_bits_of_one(repo, cluster, expected, capsys, monkeypatch):
    store = on_ray(repo, ray_address=cluster.address)
    with monkeypatch.context() as patched:
        patched.setattr(OpenedTexts, "read", None)  # the driver reads no text
        store.materialize(*PERIOD)
    assert "39 texts read, 39 computed" in capsys.readouterr().err
    assert_right(repo, store, expected)
    with duckdb.connect(str(repo.path / "data" / "reviews.duckdb")) as texts:
        texts.execute("UPDATE reviews SET body = 'Something else' WHERE review_id IN (101, 120)")
        texts.execute("DELETE FROM reviews WHERE review_id = 119")
    store.materialize(*PERIOD)
    said = capsys.readouterr().err
    assert "2 computed, 36 were there already" in said
    assert "2 changed since they were computed" in said
    assert "1 rows of texts that are gone" in said
    assert {view: rows.num_rows for view, rows in stored(repo).items()} == {
        view: rows.num_rows for view, rows in expected.items()
    }
    assert {(f.check, f.level) for f in verify(store, sample=None) if not f.ok} == {
        ("texts", "warning")  # of the text that is gone; none is stored as another's
    }


@pytest.mark.slow
@pytest.mark.parametrize("server", ["redis", "postgres"])
def test_workers_write_the_newest_row_of_each_key_to_a_server(
    template, tmp_path, cluster, expected, server, monkeypatch
):
    by_the_driver = []

    def write(config, store, view, tables, rows):
        by_the_driver.append(rows)
        write_online(config, store, view, tables, rows)

    monkeypatch.setattr(ray_executor, "write_online", write)
    monkeypatch.setattr(ray_executor, "ROW_GROUP", 7)  # several writers of a view
    project = f"embfeast_{uuid.uuid4().hex[:12]}"
    with online_server(server, project) as online:
        path = shutil.copytree(template, tmp_path / "repo")
        repo = ServerRepo(path, project, online)
        repo.apply(load_current(repo.recipes))
        store = on_ray(repo, ray_address=cluster.address, chunk_rows=5)
        store.materialize(*PERIOD)
        assert_right(repo, store, expected)
        assert [str(f) for f in verify(store, sample=None) if not f.ok] == []
    assert by_the_driver
    assert set(by_the_driver) == {0}


@pytest.mark.slow
def test_one_worker_is_one_worker_wherever_there_is_room_for_two(
    repo, cluster, expected, monkeypatch
):
    in_work = []
    waiting = ray_pool.RayPool._wait

    def wait(self, lost):
        results = waiting(self, lost)
        in_work.append((len(self._busy) + len(results), len(workers())))
        return results

    monkeypatch.setattr(ray_pool.RayPool, "_wait", wait)
    on_ray(repo, ray_address=cluster.address, ray_workers=1).materialize(*PERIOD)
    assert len(in_work) > 2
    assert {slices for slices, _ in in_work} <= {0, 1}
    assert {processes for _, processes in in_work} == {1}
    assert stored(repo) == expected


@pytest.mark.slow
def test_a_cluster_without_room_is_named_and_nothing_is_stored(repo, cluster):
    before = stored(repo)
    with pytest.raises(EmbfeastError, match="none has the 3 that a worker needs"):
        on_ray(repo, ray_address=cluster.address, ray_cpus=3).materialize(*PERIOD)
    assert stored(repo) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("data/recipes/*[0-9a-f]", r"recipe .* is not in"),
        ("data/reviews.duckdb", r"text database .* does not exist"),
    ],
)
def test_a_worker_that_does_not_see_recipe_or_texts_is_named_and_nothing_is_stored(
    repo, cluster, monkeypatch, lacking, said
):
    before = stored(repo)
    seen = next(one for one in repo.path.glob(lacking) if one.name != "current")
    called = ray_executor.RayExecutor.__call__

    def moved_away(self, work, advance):  # as on a machine that does not share the folder
        seen.rename(seen.with_name("elsewhere"))
        yield from called(self, work, advance)

    monkeypatch.setattr(ray_executor.RayExecutor, "__call__", moved_away)
    with pytest.raises(EmbfeastError, match=rf"Ray worker on .*{said}.*under the same path"):
        on_ray(repo, ray_address=cluster.address).materialize(*PERIOD)
    assert stored(repo) == before


@pytest.mark.slow
def test_a_worker_and_then_a_machine_lost_mid_run_cost_no_row(repo, cluster, expected):
    store = on_ray(repo, ray_address=cluster.address)
    lost = []

    def lose() -> None:
        computing = wait_for(lambda: workers(".compute"))
        os.kill(computing[0], signal.SIGKILL)
        lost.append("worker")
        at = sum(table.version for table in tables(repo))
        wait_for(lambda: sum(table.version for table in tables(repo)) > at)
        cluster.remove_node(cluster.machines[0], allow_graceful=False)
        lost.append("machine")

    losing = threading.Thread(target=lose)
    losing.start()
    store.materialize(*PERIOD)
    ended_with = list(lost)
    losing.join()
    assert ended_with == ["worker", "machine"], "both were lost before the run ended"
    assert_right(repo, store, expected)


def wait_for(condition):
    for _ in range(1200):
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("nothing happened for a minute")


def workers(doing: str = "") -> list[int]:
    """Return this user's Ray workers, by what Ray names their processes."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    rows = (line.split(maxsplit=1) for line in listed.stdout.splitlines())
    return [int(pid) for pid, said in rows if said.startswith(f"ray::TextWorker{doing}")]


def test_a_file_that_the_driver_does_not_see_as_it_was_written_is_not_added(tmp_path):
    file = write_file(Place(str(tmp_path)), pa.table({"x": [1]}))
    ray_executor.check_shared(file, "elsewhere")
    os.truncate(file.path, file.size - 1)
    with pytest.raises(EmbfeastError, match=r"Ray worker on elsewhere wrote .*all machines share"):
        ray_executor.check_shared(file, "elsewhere")
    Path(file.path).unlink()
    with pytest.raises(EmbfeastError, match="all machines share"):
        ray_executor.check_shared(file, "elsewhere")


def test_an_address_where_nothing_listens_is_named_in_seconds(repo):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(EmbfeastError, match=f"Ray cluster {address} .ray_address. cannot be used"):
        on_ray(repo, ray_address=address).materialize(*PERIOD)


def test_a_missing_ray_names_the_extra(repo, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EmbfeastError, match=r'pip install "embfeast\[ray\]"'):
        on_ray(repo).materialize(*PERIOD)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"executor": "dask"}, "'local' or 'ray'"),
        ({"executor": "ray", "ray_address": "ray://head:10001"}, "ray_address"),
        ({"executor": "ray", "ray_cpus": 0}, "ray_cpus"),
        ({"ray_address": "auto"}, "only read with `executor: ray`"),
    ],
)
def test_a_wrong_setting_is_named(settings, said):
    with pytest.raises(ValueError, match=said):
        EmbeddingComputeEngineConfig(**settings)


def test_the_sample_is_one_yaml_apart():
    import yaml

    folder = Path(__file__).parents[3] / "feature_repo"
    one, other = (
        yaml.safe_load((folder / name).read_text())
        for name in ("feature_store.yaml", "feature_store.ray.yaml")
    )
    assert other.pop("batch_engine").items() > one.pop("batch_engine").items()
    assert one == other
