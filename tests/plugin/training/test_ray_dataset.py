"""Training sets joined by the workers of a real cluster of two machines, processes on this one."""

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureView, Field, FileSource, OnDemandFeatureView, RequestSource
from feast.transformation.python_transformation import PythonTransformation
from feast.transformation.udf_rehydrate import rehydrate_udf_from_source
from feast.types import Int64

from embfeast import EmbfeastError
from embfeast.plugin import offline_store
from embfeast.plugin.training import retrieval
from embfeast.plugin.training.workers_join import WorkersJoin
from tests.plugin.engine.ray_machines import two_machines
from tests.small_repository import copied, day

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
pytestmark = pytest.mark.slow
SELECT = "SELECT review_id, written_at AS event_timestamp, title FROM reviews ORDER BY known_at"
FEATURES = ["review_reduced:reduced", "review_embedding:embedding", "stars:stars"]
DYING = """
def dying(inputs):
    import os
    import signal
    from pathlib import Path

    for number in inputs["number"]:
        flag = Path({folder!r}) / str(number)
        if flag.exists():
            flag.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    return {{"twice": [2 * number for number in inputs["number"]]}}
"""


@pytest.fixture(scope="module")
def cluster():
    with two_machines() as made:
        yield made
        ray.shutdown()


@pytest.fixture(scope="module")
def given(whole, cluster, tmp_path_factory):
    """The repository with a view of plain Parquet, and one whose function can end its process."""
    folder = tmp_path_factory.mktemp("given")
    repo, store, _ = copied(whole, folder)
    stars = pa.table({"review_id": range(12), "stars": range(12), "at": [day(3)] * 12})
    pq.write_table(stars, repo.path / "data" / "stars.parquet")
    view = FeatureView(
        name="stars",
        entities=[repo.review],
        schema=[Field(name="review_id", dtype=Int64), Field(name="stars", dtype=Int64)],
        source=FileSource(name="stars", path="data/stars.parquet", timestamp_field="at"),
    )
    source = DYING.format(folder=str(folder))
    dying = OnDemandFeatureView(
        name="dying",
        sources=[RequestSource(name="numbers", schema=[Field(name="number", dtype=Int64)])],
        schema=[Field(name="twice", dtype=Int64)],
        feature_transformation=PythonTransformation(rehydrate_udf_from_source(source), source),
        mode="python",
    )
    store.apply([view, dying])
    config = repo.config(executor="ray", ray_address=cluster.address)
    return folder, repo, type(store)(config=config)


@pytest.fixture(autouse=True)
def small_slices(monkeypatch):
    monkeypatch.setattr(retrieval, "STEP", 4)
    monkeypatch.setattr(offline_store, "STEP", 4)


@pytest.fixture
def by_workers_alone(monkeypatch):
    """Let the driver join nothing, once it has said what to expect."""

    def refuse() -> None:
        for name in ("join_as_of", "stream_as_of"):
            monkeypatch.setattr(offline_store, name, None)

    return refuse


def rows_of(dataset) -> tuple[pa.Table, list[int]]:
    """Return the rows in the order of the dataset's blocks, and how many each block has."""
    blocks = ray.get(dataset.to_arrow_refs())
    return pa.concat_tables(blocks), [block.num_rows for block in blocks]


def test_entity_rows_of_every_kind_are_joined_by_workers_with_the_bits_of_to_arrow(
    given, by_workers_alone, tmp_path
):
    _, repo, store = given
    rows = store.get_historical_features(SELECT, FEATURES).to_arrow().select([0, 1, 2])
    pq.write_table(rows, tmp_path / "rows.parquet")
    shuffled = rows.to_pandas().sample(frac=1, random_state=0)
    with duckdb.connect(str(repo.path / "data" / "reviews.duckdb"), read_only=True) as texts:
        kinds = [SELECT, shuffled, rows, tmp_path / "rows.parquet", texts.sql(SELECT)]
        jobs = [store.get_historical_features(one, FEATURES) for one in kinds]
        jobs.append(store.get_historical_features(rows.slice(0, 0), FEATURES))
        known = {"filter_by_created_timestamp": True, "full_feature_names": True}
        jobs.append(store.get_historical_features(rows, FEATURES, **known))
    expected = [job.to_arrow() for job in jobs]
    by_workers_alone()
    for job, wanted in zip(jobs, expected, strict=True):
        found, blocks = rows_of(job.to_ray_dataset())
        assert found == wanted
        assert found.schema == wanted.schema
        assert blocks == ([4, 4, 4, 1] if wanted.num_rows else [0])
    assert expected[0]["reduced"].null_count < expected[0].num_rows


def test_a_worker_killed_in_mid_join_costs_no_row_and_on_demand_features_are_the_same(
    given, by_workers_alone
):
    folder, _, store = given
    texts = [f"text {i}" if i % 3 else None for i in range(12)]
    asked = pd.DataFrame({"review_id": range(12), "number": range(12), "text": texts})
    asked["event_timestamp"] = day(20)
    live = store.get_on_demand_feature_view("review_live").features[0].name
    of_all_kinds = [*FEATURES[:1], f"review_live:{live}", "dying:twice"]
    jobs = [store.get_historical_features(asked, one) for one in (of_all_kinds, of_all_kinds[2:])]
    expected = [job.to_arrow() for job in jobs]
    by_workers_alone()
    kills = folder / "6"  # in the second block of the first worker
    kills.touch()
    for job, wanted in zip(jobs, expected, strict=True):
        found, blocks = rows_of(job.to_ray_dataset())
        assert found == wanted
        assert blocks == [4, 4, 4]
        assert not kills.exists()


def test_a_text_table_is_joined_here_in_the_same_order(given):
    _, _, store = given
    job = store.get_historical_features(SELECT, [*FEATURES, "review_text:body"])
    assert rows_of(job.to_ray_dataset())[0] == job.to_arrow()


def test_workers_that_do_not_see_a_table_are_named_and_the_rows_are_joined_here(given, monkeypatch):
    _, repo, store = given
    seen = repo.path / "data" / "features"
    joined = WorkersJoin._blocks

    def elsewhere(self, *how):  # as on machines that do not share the folder
        moved = seen.rename(seen.with_name("elsewhere"))
        blocks = list(joined(self, *how))
        ray.wait(blocks, num_returns=len(blocks))
        moved.rename(seen)
        return iter(blocks)

    monkeypatch.setattr(WorkersJoin, "_blocks", elsewhere)
    job = store.get_historical_features(SELECT, FEATURES)
    with pytest.warns(UserWarning, match=r"joined here: Ray worker on .*under the same path"):
        dataset = job.to_ray_dataset()
    assert rows_of(dataset)[0] == job.to_arrow()


def test_a_key_of_another_kind_is_refused_by_the_driver(given):
    _, _, store = given
    rows = pd.DataFrame({"review_id": ["one"], "event_timestamp": [day(20)]})
    job = store.get_historical_features(rows, FEATURES)
    with pytest.raises(EmbfeastError, match="key 'review_id': row 0: 'one'"):
        job.to_ray_dataset()
