"""Two Ray workers with texts, recipes and feature tables on an S3 server, nothing of it here."""

from unittest.mock import patch

import pyarrow as pa
import pytest

from embfeast import EmbfeastError
from embfeast.plugin import offline_store
from embfeast.plugin.engine import part_writer
from embfeast.plugin.engine.ray_executor import RayExecutor, check_shared
from embfeast.plugin.feature_table import feature_table, is_ours
from embfeast.repository import materialize, verify
from embfeast.tables.files import write_file
from embfeast.tables.place import Place
from embfeast.tables.table import Table
from tests.object_storage import HUSH, Door
from tests.plugin.engine.ray_machines import two_machines
from tests.repository.test_object_storage import SETTINGS, PlacedRepo
from tests.small_repository import day

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow
PERIOD = (day(-1), day(20))


@pytest.fixture(scope="module")
def door(server, bucket):
    """The way to the S3 server that driver and workers take, which a test may shut."""
    made = Door(server)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", made.url)
        yield made
    made.stop()


@pytest.fixture(scope="module")
def cluster(door):
    with two_machines() as made:
        yield made


class RayRepo(PlacedRepo):
    """The repository whose texts are Parquet files in the bucket, materialized on a cluster."""

    def __init__(self, path, uri: str, cluster) -> None:
        self.cluster = cluster
        super().__init__(path, uri, "parquet")

    def config(self, **engine):
        place = {"executor": "ray", "ray_address": self.cluster.address, "cache": None}
        return super().config(**place, **engine)


def stored(store) -> dict[str, pa.Table]:
    """Return the rows of every table in one order: equal ones are equal to the bit."""
    found = {}
    for view in filter(is_ours, store.list_batch_feature_views()):
        table = Table.open(feature_table(view, store.config).place)
        found[view.name] = table.query(f"SELECT * FROM {table.scan()} ORDER BY 1, 2, 3")
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What a run here stores, without Ray, a file a chunk as on Ray."""
    folder = tmp_path_factory.mktemp("here")
    repo = PlacedRepo(folder / "repo", str(folder / "tables"))
    store = repo.apply(repo.fit(day(8), SETTINGS))
    with patch.object(part_writer, "LONGEST_WAIT", 0.0):
        materialize(store, *PERIOD)
    return stored(store), repo.lookup(store, range(12))


def assert_right(repo: RayRepo, expected) -> None:
    store = repo.store()
    assert (stored(store), repo.lookup(store, range(12))) == expected
    assert [str(one) for one in verify(store) if not one.ok] == []


def test_two_workers_store_in_a_bucket_the_bits_of_a_run_here(tmp_path, door, cluster, expected):
    repo = RayRepo(tmp_path / "repo", "s3://features/ray", cluster)
    store = repo.apply(repo.fit(day(8), SETTINGS))
    written = set()
    original = RayExecutor._add

    def add(self, done):
        written.update(file.path for file in done.files)
        original(self, done)

    with patch.object(RayExecutor, "_add", add):
        materialize(store, *PERIOD)
    assert len(written) >= 2 * len(expected[0])
    assert all(path.startswith("s3://features/ray/features/") for path in written)
    assert_right(repo, expected)
    wanted = pa.table({"review_id": range(12), "event_timestamp": [day(20)] * 12})
    job = store.get_historical_features(wanted, ["review_reduced:reduced"])
    joined = job.to_arrow()
    with patch.object(offline_store, "stream_as_of", None):  # the driver joins nothing
        assert pa.concat_tables(ray.get(job.to_ray_dataset().to_arrow_refs())) == joined
    ray.shutdown()
    assert not [*repo.path.rglob("*.parquet"), *repo.path.rglob("manifest.json")]
    assert not [*repo.path.rglob("*.duckdb")]


def test_a_server_that_goes_away_in_mid_run_is_one_clear_error_and_the_next_run_ends_it(
    tmp_path, door, cluster, expected
):
    repo = RayRepo(tmp_path / "repo", "s3://features/away", cluster)
    store = repo.apply(repo.fit(day(8), SETTINGS))
    original = RayExecutor._add

    def add(self, done):
        original(self, done)
        door.stop()

    with (
        patch.object(RayExecutor, "_add", add),
        pytest.raises(EmbfeastError, match="server does not answer; see AWS_ENDPOINT_URL") as said,
    ):
        materialize(store, *PERIOD)
    assert HUSH not in str(said.value)
    door.start()
    materialize(repo.store(), *PERIOD)
    assert_right(repo, expected)


def test_a_driver_that_cannot_look_at_a_workers_file_says_so(door, monkeypatch):
    file = write_file(Place("s3://features/looked/at"), pa.table({"x": [1]}))
    check_shared(file, "elsewhere")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(EmbfeastError, match=r"a Ray worker on elsewhere wrote: .*not answer"):
        check_shared(file, "elsewhere")
