"""Chunks on a real cluster of two machines, both of them processes on this one."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pytest
from feast import FeatureStore

from embfeast import EmbfeastError
from embfeast.plugin.engine import part_writer, ray_executor, ray_pool
from embfeast.plugin.engine.compute_engine import EmbeddingComputeEngineConfig
from embfeast.repository.check.verify import verify
from embfeast.tables.files import write_file
from embfeast.tables.place import Place
from embfeast.tables.table import Table
from tests.small_repository import Repo, day, sample_rows

pytest.importorskip("ray")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before a cluster starts: no report to its makers
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
    """A head that computes nothing and two machines of one CPU each; the last test loses one."""
    from ray.cluster_utils import Cluster

    machine = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **machine})
    machine.pop("include_dashboard")
    made.machines = [made.add_node(num_cpus=1, **machine) for _ in range(2)]
    yield made
    made.shutdown()


def tables(repo: Repo) -> list[Table]:
    root = repo.path / "data" / "features"
    return [Table.open(Place(str(folder))) for folder in sorted(root.glob("*/*"))]


def stored(repo: Repo) -> dict[str, pa.Table]:
    """Return the rows of every table in one order: equal ones are equal to the bit."""
    return {
        table.place.path.parent.name: table.query(f"SELECT * FROM {table.scan()} ORDER BY 1, 2, 3")
        for table in tables(repo)
    }


def on_ray(repo: Repo, **engine) -> FeatureStore:
    return FeatureStore(config=repo.config(executor="ray", cache=None, **engine))


def assert_right(repo: Repo, store: FeatureStore, expected: dict[str, pa.Table]) -> None:
    assert stored(repo) == expected
    assert [str(f) for f in verify(store, sample=10) if not f.ok] == []
    assert None not in repo.lookup(store, [0, 100, 125])["embedding"]


@pytest.mark.slow
def test_two_machines_store_the_bits_of_one(repo, cluster, expected, capsys):
    store = on_ray(repo, ray_address=cluster.address)
    store.materialize(*PERIOD)
    assert "39 texts read, 39 computed" in capsys.readouterr().err
    assert_right(repo, store, expected)
    store.materialize(*PERIOD)
    assert "0 computed, 39 were there already" in capsys.readouterr().err
    assert stored(repo) == expected


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
def test_a_cluster_without_room_or_recipe_is_named_and_nothing_is_stored(
    repo, cluster, monkeypatch
):
    before = stored(repo)
    with pytest.raises(EmbfeastError, match="none has the 3 that a worker needs"):
        on_ray(repo, ray_address=cluster.address, ray_cpus=3).materialize(*PERIOD)
    recipes = repo.recipes
    (digest,) = (p for p in recipes.iterdir() if p.is_dir())
    loaded = ray_executor.RayExecutor.__call__

    def moved_away(self, work, advance):  # as on a machine that does not share the folder
        digest.rename(recipes / "elsewhere")
        yield from loaded(self, work, advance)

    monkeypatch.setattr(ray_executor.RayExecutor, "__call__", moved_away)
    with pytest.raises(EmbfeastError, match=r"Ray worker on .*recipe .* is not in .*same path"):
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
