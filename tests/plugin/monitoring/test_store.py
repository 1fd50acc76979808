import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from inspect import signature
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.infra.offline_stores.dask import DaskOfflineStore
from feast.monitoring.monitoring_service import MonitoringService
from feast.repo_config import RepoConfig
from feast.types import Array, Bool, Float32, Float64, Int64, String

from embfeast.plugin import DuckDBOfflineStore, feature_views
from tests.small_repository import copied, day

SETTINGS = """project: reviews
provider: embfeast.plugin.TextFeatureProvider
registry: data/registry.db
online_store: {type: sqlite, path: data/online.db}
offline_store: {type: embfeast.plugin.DuckDBOfflineStore}
batch_engine: {type: embfeast.plugin.EmbeddingComputeEngine}
entity_key_serialization_version: 3
"""
START = datetime(2026, 3, 1, tzinfo=UTC)


def config(path: Path, store: str) -> RepoConfig:
    return RepoConfig(
        project="p",
        provider="local",
        registry=str(path / f"{store.split('.')[0]}.db"),
        online_store={"type": "sqlite", "path": str(path / "online.db")},
        offline_store={"type": store},
        entity_key_serialization_version=3,
        repo_path=path,
    )


@pytest.fixture
def stores(tmp_path, rng):
    """Feast's dask store and ours, over one Parquet file: 40 rows a day, the last day's moved."""
    rows = 400
    days = np.repeat(np.arange(10), 40)
    vectors = rng.normal(size=(rows, 6)) + (days == 9)[:, None] * 3.0
    numbers = pa.array(rng.normal(size=rows), mask=rng.random(rows) < 0.1)
    table = pa.table(
        {
            "key": np.arange(rows),
            "at": pa.array(
                [START + timedelta(days=int(d)) for d in days], pa.timestamp("us", "UTC")
            ),
            "number": numbers,
            "count": rng.integers(0, 5, rows),
            "word": rng.choice(list("abcdefghijklmnop"), rows),
            "flag": rng.random(rows) < 0.3,
            "vector": pa.array(list(vectors.astype("float32")), pa.list_(pa.float32())),
            "words": pa.array([None, ["a"]] * (rows // 2)),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    made = []
    for kind in ("dask", "embfeast.plugin.DuckDBOfflineStore"):
        store = FeatureStore(config=config(tmp_path, kind))
        source = FileSource(name="rows", path="rows.parquet", timestamp_field="at")
        entity = Entity(name="thing", join_keys=["key"], value_type=ValueType.INT64)
        kinds = {"number": Float64, "count": Int64, "word": String, "flag": Bool}
        kinds |= {"vector": Array(Float32), "words": Array(String)}
        schema = [Field(name=name, dtype=kind) for name, kind in kinds.items()]
        view = FeatureView(name="view", entities=[entity], schema=schema, source=source)
        store.apply([entity, view])
        made.append(store)
    return made


def test_numbers_and_categories_are_those_of_feasts_own_store(stores):
    theirs, ours = stores
    asked = [(name, "numeric") for name in ("number", "count")]
    asked += [(name, "categorical") for name in ("word", "flag")]
    source = ours.get_feature_view("view").batch_source
    for start, end in [(None, None), (START + timedelta(days=2), START + timedelta(days=5))]:
        made = [
            kind.compute_monitoring_metrics(store.config, source, asked, "at", start, end)
            for kind, store in ((DaskOfflineStore, theirs), (DuckDBOfflineStore, ours))
        ]
        for one in made:  # of equal counts, any order
            for row in one:
                if values := (row["histogram"] or {}).get("values"):
                    row["histogram"]["values"] = sorted(v["count"] for v in values)
        assert made[1] == made[0]


def test_a_vector_that_moved_is_told_from_the_days_before(stores):
    monitoring = MonitoringService(stores[1])
    assert monitoring.auto_compute()["computed_feature_views"] == 1
    found = monitoring.get_feature_metrics("p", feature_view_name="view", granularity="daily")
    by_name = {row["feature_name"]: row for row in found}
    assert by_name["vector.drift"]["min_val"] > 0.6  # half of it has moved
    assert by_name["vector.novelty"]["mean"] > 1.5
    counts = by_name["vector.clusters"]["histogram"]["values"]
    # The window begins where the day before has its rows, so half of it has moved.
    assert sum(one["count"] for one in counts) == by_name["vector"]["row_count"] == 80
    assert sum(one["earlier"] for one in counts) == 320
    assert by_name["words"]["null_rate"] == 0.5
    json.dumps(found)  # as the server and the pages send it


def test_days_that_did_not_move_give_no_drift(stores):
    source = stores[1].get_feature_view("view").batch_source
    found = DuckDBOfflineStore.compute_monitoring_metrics(
        stores[1].config,
        source,
        [("vector", "numeric")],
        "at",
        START + timedelta(days=4),
        START + timedelta(days=8),
    )
    drift = next(row for row in found if row["feature_name"] == "vector.drift")
    assert drift["min_val"] <= 0.5 <= drift["max_val"]


def test_baselines_are_set_kept_and_replaced_as_feast_does(stores):
    for store in stores:
        store.config.repo_path = store.config.repo_path / store.config.offline_store.type[:4]
    answers = []
    for store in stores:
        monitoring = MonitoringService(store)
        store.config.repo_path.mkdir()
        pq.write_table(
            pq.read_table(store.config.repo_path.parent / "rows.parquet"),
            store.config.repo_path / "rows.parquet",
        )
        monitoring.compute_metrics(
            "p",
            feature_names=["number"],
            start_date=date(2026, 3, 2),
            end_date=date(2026, 3, 3),
            set_baseline=True,
        )
        monitoring.compute_metrics(
            "p",
            feature_names=["count"],
            start_date=date(2026, 3, 4),
            end_date=date(2026, 3, 5),
            set_baseline=True,
        )
        rows = monitoring.get_feature_metrics("p", start_date=date(2026, 3, 1))
        views = monitoring.get_feature_view_metrics("p")
        answers.append(
            [{k: v for k, v in row.items() if k != "computed_at"} for row in [*rows, *views]]
        )
    assert answers[1] == answers[0]
    assert [row["is_baseline"] for row in answers[1][:2]] == [False, True]


def test_jobs_run_and_are_remembered(stores):
    monitoring = MonitoringService(stores[1])
    job = monitoring.submit_job("p", "baseline", "view", {"feature_names": ["number"]})
    assert monitoring.get_job(job)["status"] == "pending"
    assert monitoring.execute_job(job)["computed_features"] == 1
    assert monitoring.get_job(job)["status"] == "completed"
    if "project" in signature(monitoring.get_job).parameters:  # since Feast 0.67
        assert monitoring.get_job(job, project="another") is None


def test_of_two_runs_at_once_none_loses_the_others_figures(stores):
    def save(number):
        row = {"project_id": "p", "feature_view_name": "view", "feature_name": f"f{number}"}
        row |= {
            "metric_date": date(2026, 3, 1),
            "granularity": "daily",
            "data_source_type": "batch",
        }
        DuckDBOfflineStore.save_monitoring_metrics(stores[1].config, "feature", [row])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save, range(20)))
    found = DuckDBOfflineStore.query_monitoring_metrics(stores[1].config, "p", "feature")
    assert {row["feature_name"] for row in found} == {f"f{number}" for number in range(20)}


def test_feast_monitor_run_works_on_a_repository_of_texts(whole, tmp_path):
    repo, store, _ = copied(whole, tmp_path)
    (repo.path / "feature_store.yaml").write_text(SETTINGS)
    ran = subprocess.run(
        [Path(sys.executable).with_name("feast"), "-c", repo.path, "monitor", "run"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        check=False,
    )
    assert "Feature views computed: 9" in ran.stdout, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    found = MonitoringService(store).get_baseline("reviews")
    by_name = {row["feature_name"]: row for row in found}
    assert by_name["embedding"]["mean"] == pytest.approx(1, abs=1e-5)  # of unit length
    assert by_name["embedding"]["null_count"] == 1  # the blank review
    assert by_name["cluster"]["row_count"] == 13
    assert by_name["body"]["max_val"] == len("Something about the invoice of number 0")
    kept = (repo.path / "feast_monitoring").rglob("*.parquet")
    assert not any(b"Something about" in file.read_bytes() for file in kept)


def test_a_recipes_own_rows_are_what_later_ones_are_compared_with(repo):
    rows = [(i, "", f"the parcel {i} was late", day(i / 10), day(i / 10)) for i in range(100, 140)]
    rows += [(i, "", f"I love this song {i}", day(i / 10), day(i / 10)) for i in range(200, 240)]
    repo.write_texts(rows)
    fitted = repo.fit(day(20), {"name": "reviews", "tricks": {"embedding": {"trick": "embedding"}}})
    store = repo.store()
    views = feature_views(fitted, source=repo.source, entity=repo.review)
    store.apply([repo.review, *views.values()])
    store.materialize(day(-1), day(40))
    found = MonitoringService(store).compute_transient(
        "reviews",
        "review_embedding",
        start_date=day(20).date(),
        end_date=day(30).date(),
    )["metrics"]
    by_name = {row["feature_name"]: row for row in found}
    assert by_name["embedding.drift"]["min_val"] > 0.9
    assert by_name["embedding.drift"]["row_count"] == 40 + 52
