import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.repo_config import RepoConfig
from feast.types import Float32, String

from embfeast import EmbfeastError
from embfeast.plugin import DuckDBSource
from tests.plugin.conftest import day

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)


def stored_rows(rng, rows=300):
    events = [day(n) for n in rng.integers(0, 30, rows)]
    return pd.DataFrame(
        {
            "driver_id": rng.integers(1, 20, rows),
            "at": events,
            "known": [
                e + pd.Timedelta(hours=int(h))
                for e, h in zip(events, rng.permutation(rows), strict=True)
            ],
            "speed": rng.normal(size=rows).astype(np.float32),
        }
    ).drop_duplicates(["driver_id", "at"], keep="first")


def open_store(path, offline, ttl=None, source=None, columns=None):
    source = source or FileSource(
        name="drives",
        path=str(path / "drives.parquet"),  # Feast's duckdb store reads relative ones from the cwd
        timestamp_field="at",
        created_timestamp_column="known",
    )
    view = FeatureView(
        name="drives",
        entities=[driver],
        schema=[Field(name=n, dtype=t) for n, t in (columns or {"speed": Float32}).items()],
        source=source,
        ttl=ttl,
    )
    store = FeatureStore(
        config=RepoConfig(
            project="p",
            provider="local",
            registry=str(path / f"{offline['type'].rsplit('.', 1)[-1]}.db"),
            online_store={"type": "sqlite", "path": str(path / "online.db")},
            offline_store=offline,
            entity_key_serialization_version=3,
            repo_path=path,
        )
    )
    store.apply([driver, view])
    return store


@pytest.mark.parametrize("ttl", [None, pd.Timedelta(days=3).to_pytimedelta()])
def test_parquet_answers_equal_those_of_feasts_own_store(tmp_path, rng, ttl):
    stored_rows(rng).to_parquet(tmp_path / "drives.parquet", index=False)
    asked = pd.DataFrame(
        {
            "driver_id": rng.integers(1, 22, 80),
            "event_timestamp": [day(n) for n in rng.integers(-2, 35, 80)],
        }
    ).drop_duplicates()
    answers = []
    for kind in ("dask", "embfeast.plugin.DuckDBOfflineStore"):
        store = open_store(tmp_path, {"type": kind}, ttl)
        got = store.get_historical_features(asked, ["drives:speed"]).to_df()
        answers.append(got.set_index(["driver_id", "event_timestamp"])["speed"])
    theirs, ours = answers
    assert len(ours) == len(asked), "Feast's store drops rows that have no valid feature"
    assert len(theirs) > 40
    np.testing.assert_array_equal(ours.loc[theirs.index].to_numpy(), theirs.to_numpy())


def test_a_text_table_may_have_a_column_that_is_called_filename(tmp_path):
    with duckdb.connect(str(tmp_path / "texts.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE drives AS SELECT i AS driver_id, TIMESTAMPTZ '2026-03-01' AS at, "
            "i || '.csv' AS filename, 'drive ' || i AS note FROM range(3) r(i)"
        )
    source = DuckDBSource(
        name="drives",
        database="texts.duckdb",
        table="drives",
        text_columns=["note"],
        timestamp_field="at",
    )
    kind = {"type": "embfeast.plugin.DuckDBOfflineStore"}
    store = open_store(tmp_path, kind, None, source, {"note": String, "filename": String})
    asked = pd.DataFrame({"driver_id": [2, 0, 1], "event_timestamp": [day(9)] * 3})
    got = store.get_historical_features(asked, ["drives:note", "drives:filename"]).to_df()
    assert got["note"].tolist() == ["drive 2", "drive 0", "drive 1"]
    assert got["filename"].tolist() == ["2.csv", "0.csv", "1.csv"]


def test_rows_keep_their_order_their_columns_and_their_duplicates(ready):
    _, store, _ = ready
    asked = pd.DataFrame({"note": ["b", "a", "b"], "review_id": [5, 1, 5], "when": [day(20)] * 3})
    got = store.get_historical_features(asked, ["review_reduced:reduced"], full_feature_names=True)
    frame = got.to_df()
    assert list(frame.columns) == ["note", "review_id", "when", "review_reduced__reduced"]
    assert frame["note"].tolist() == ["b", "a", "b"]
    assert np.array_equal(frame.iloc[0, 3], frame.iloc[2, 3])


def test_entity_rows_may_be_a_select_over_the_text_database(ready):
    _, store, _ = ready
    sql = "SELECT review_id, max(written_at) AS event_timestamp FROM reviews GROUP BY 1 ORDER BY 1"
    got = store.get_historical_features(sql, ["review_text:body"]).to_df()
    assert got["review_id"].tolist() == list(range(12))
    assert got["body"][2].startswith("I have changed my mind")
    for bad, message in [
        ("DROP TABLE reviews", "one SELECT"),
        ("SELECT nothing FROM reviews", "nothing"),
        ("SELEC", "Parser"),
    ]:
        with pytest.raises(EmbfeastError, match=message):
            store.get_historical_features(bad, ["review_text:body"])


def test_without_entity_rows_every_revision_of_a_period_comes(ready):
    _, store, _ = ready
    got = store.get_historical_features(
        features=["review_reduced:reduced"], start_date=day(2), end_date=day(9)
    ).to_df()
    assert got["review_id"].tolist() == [2, 3, 4, 5, 6, 7, 8, 2, 9]
    assert got["reduced"].isna().sum() == 1


def test_times_of_any_zone_and_naive_times_are_the_same_moment(ready):
    _, store, _ = ready
    times = [day(5), day(5).tz_convert("Asia/Tokyo"), day(5).tz_localize(None)]
    made = [
        store.get_historical_features(
            pd.DataFrame({"review_id": [2], "event_timestamp": [t]}), ["review_text:body"]
        ).to_df()["body"][0]
        for t in times
    ]
    assert len(set(made)) == 1


def test_a_saved_dataset_is_kept_and_not_overwritten_unasked(ready):
    _, store, _ = ready
    asked = pd.DataFrame({"review_id": [1, 2], "event_timestamp": [day(20)] * 2})
    job = store.get_historical_features(asked, ["review_reduced:reduced"])
    for place in ("data/saved.parquet", "data/saved_folder"):
        storage = SavedDatasetFileStorage(place)
        saved = store.create_saved_dataset(
            from_=job, name=place[5:10], storage=storage, allow_overwrite=True
        )
        frame = saved.to_df()
        assert frame["review_id"].tolist() == [1, 2]
        assert len(frame["reduced"][0]) == 4
        with pytest.raises(SavedDatasetLocationAlreadyExists):
            store.create_saved_dataset(from_=job, name="again", storage=storage)


def test_rows_written_to_the_offline_store_appear_once(ready):
    repo, store, _ = ready
    columns = pq.ParquetDataset(
        repo.path / store.get_feature_view("review_reduced").batch_source.path
    ).schema.names
    row = {
        "review_id": 70,
        "event_timestamp": day(3),
        "created_timestamp": day(3),
        "reduced": [1.0, 2.0, 3.0, 4.0],
        "review_reduced_digest": "x",
    }
    frame = pd.DataFrame([row])[columns]
    for _ in range(2):
        store.write_to_offline_store("review_reduced", frame)
    got = store.get_historical_features(
        features=["review_reduced:reduced"], start_date=day(3), end_date=day(3)
    ).to_df()
    assert got["review_id"].tolist() == [3, 70]
    assert got["reduced"][1].tolist() == [1.0, 2.0, 3.0, 4.0]
    wrong = frame.assign(reduced="no vector")
    with pytest.raises((EmbfeastError, pa.ArrowException)):
        store.write_to_offline_store("review_reduced", wrong)
    texts = pd.DataFrame(
        [(1, "a", "b", day(1), day(1))],
        columns=["review_id", "title", "body", "written_at", "known_at"],
    )
    with pytest.raises(EmbfeastError, match="read-only"):
        store.write_to_offline_store("review_text", texts)


def test_what_is_no_time_and_a_missing_time_are_said(ready):
    _, store, _ = ready
    for times, message in [(["soon"], "holds no times"), ([None], "1 rows have no")]:
        asked = pd.DataFrame({"review_id": [1], "event_timestamp": times})
        store.config.coerce_tz_aware = False
        with pytest.raises(EmbfeastError, match=message):
            store.get_historical_features(asked, ["review_text:body"])


def test_a_source_that_it_cannot_read_is_named(tmp_path):
    pd.DataFrame({"driver_id": [1], "at": [day(1)], "known": [day(1)], "speed": [1.0]}).to_parquet(
        tmp_path / "drives.parquet"
    )
    store = open_store(tmp_path, {"type": "embfeast.plugin.DuckDBOfflineStore"})
    (tmp_path / "drives.parquet").unlink()
    asked = pd.DataFrame({"driver_id": [1], "event_timestamp": [day(2)]})
    with pytest.raises(EmbfeastError, match="there is no file"):
        store.get_historical_features(asked, ["drives:speed"]).to_df()
