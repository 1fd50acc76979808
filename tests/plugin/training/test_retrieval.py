"""Training sets a slice at a time: the bits of `to_arrow`, whatever they are made of."""

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

from embfeast import EmbfeastError
from embfeast.plugin.training import retrieval
from tests.small_repository import day

FEATURES = ["review_reduced:reduced", "review_text:body", "review_embedding:embedding"]
SELECT = "SELECT review_id, written_at AS event_timestamp, title FROM reviews ORDER BY known_at"


@pytest.fixture(autouse=True)
def small_slices(monkeypatch):
    monkeypatch.setattr(retrieval, "STEP", 4)
    monkeypatch.setattr("embfeast.plugin.offline_store.STEP", 4)
    monkeypatch.setattr(retrieval, "SLICES_A_FILE", 2)


@pytest.fixture
def job(ready):
    _, store, _ = ready
    return store.get_historical_features(SELECT, FEATURES)


def test_batches_a_saved_dataset_and_an_export_are_what_to_arrow_returns(ready, job, tmp_path):
    repo, store, _ = ready
    expected = job.to_arrow()
    assert expected.num_rows > 8
    batches = list(job.to_arrow_batches())
    assert [len(batch) for batch in batches[:-1]] == [4] * (len(batches) - 1)
    assert pa.Table.from_batches(batches) == expected
    job.persist(SavedDatasetFileStorage("data/saved.parquet"), allow_overwrite=True)
    assert pq.read_table(repo.path / "data" / "saved.parquet") == expected
    assert not job.supports_remote_storage_export()
    with pytest.raises(EmbfeastError, match="export_location"):
        job.to_remote_storage()
    store.config.offline_store.export_location = str(tmp_path / "out")
    job = store.get_historical_features(SELECT, FEATURES)
    store.config.offline_store.export_location = None
    assert job.supports_remote_storage_export()
    files = job.to_remote_storage()
    assert [pq.read_metadata(file).num_rows for file in files[:-1]] == [8] * (len(files) - 1)
    assert pa.concat_tables(pq.read_table(file) for file in files) == expected


def test_on_demand_features_and_a_job_without_rows_come_in_slices_too(ready):
    _, store, _ = ready
    ids = list(range(1, 11))
    asked = pd.DataFrame(
        {
            "review_id": ids,
            "text": [f"text {i}" if i % 3 else None for i in ids],
            "event_timestamp": [day(20)] * 10,
        }
    )
    on_demand = next(v.name for v in store.list_on_demand_feature_views() if "live" in v.name)
    name = store.get_on_demand_feature_view(on_demand).features[0].name
    for rows in (asked, asked.head(0)):
        job = store.get_historical_features(rows, ["review_reduced:reduced", f"{on_demand}:{name}"])
        assert pa.Table.from_batches(list(job.to_arrow_batches())) == job.to_arrow()


def test_entity_rows_of_every_kind_give_the_same(ready, job, tmp_path):
    repo, store, _ = ready
    expected = job.to_arrow()
    with duckdb.connect(str(repo.path / "data" / "reviews.duckdb"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        relation = connection.sql(SELECT)
        assert store.get_historical_features(relation, FEATURES).to_arrow() == expected
        rows = relation.to_arrow_table()
        frame = relation.df()
    (tmp_path / "folder").mkdir()
    pq.write_table(rows.slice(0, 5), tmp_path / "folder" / "1.parquet")
    pq.write_table(rows.slice(5), tmp_path / "folder" / "2.parquet")
    pq.write_table(rows, tmp_path / "all.parquet")
    for given in (rows, tmp_path / "folder", tmp_path / "all.parquet"):
        assert store.get_historical_features(given, FEATURES).to_arrow() == expected
    of_pandas = store.get_historical_features(frame, FEATURES).to_arrow()
    assert of_pandas.replace_schema_metadata(None).equals(expected)
    with pytest.raises(EmbfeastError, match="entity_df: there is no Parquet file at"):
        store.get_historical_features(tmp_path / "none.parquet", FEATURES)
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    with pytest.raises(EmbfeastError, match=r"entity_df: .*torn\.parquet"):
        store.get_historical_features(tmp_path / "torn.parquet", FEATURES)
    with pytest.raises(EmbfeastError, match="entity_df is a list"):
        store.get_historical_features([1], FEATURES)


def test_numbers_of_a_select_are_what_a_frame_would_have(ready):
    _, store, _ = ready
    sql = "SELECT 1 AS review_id, DATE '2026-03-20' AS day, sum(3) AS total"
    frame = store.get_historical_features(sql, ["review_reduced:reduced"]).to_df()
    assert frame["total"].dtype == float
    assert frame["day"].dtype.kind == "M"


def test_what_does_not_fit_into_memory_is_said_beforehand(job, monkeypatch):
    free = retrieval.free_bytes()
    assert free > 2**20
    monkeypatch.setattr(retrieval, "free_bytes", lambda: 100.0)
    for ask in (job.to_df, job.to_arrow):
        with pytest.raises(EmbfeastError, match=r"would take .* GiB of memory, .* persist"):
            ask()
    assert sum(len(batch) for batch in job.to_arrow_batches()) > 8
