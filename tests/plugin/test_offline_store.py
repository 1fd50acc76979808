from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.data_format import DeltaFormat
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.repo_config import RepoConfig
from feast.types import Float32, String

from embfeast import EmbfeastError
from embfeast.plugin import DuckDBSource
from embfeast.plugin.feature_table import feature_table
from embfeast.plugin.offline_store import DuckDBOfflineStore
from embfeast.tables.files import append_to_file
from embfeast.tables.rewrite import delete_where
from embfeast.tables.table import Table
from tests.small_repository import day

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
        ("SELECT 3::UUID AS review_id, now() AS event_timestamp", "entity_df: Conversion Error"),
        ("SELECT error(body), now() AS event_timestamp FROM reviews", "entity_df: Invalid Input"),
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
    view = store.get_feature_view("review_reduced")
    columns = Table.open(feature_table(view, repo.config()).place).columns
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
    for change, said in (
        ({"reduced": [[1.0, 2.0]]}, "row 0: 'reduced' has 2 numbers; the feature has 4"),
        ({"reduced": [[1.0, 2.0, 3.0, np.nan]]}, "'reduced' has NaN or infinite numbers"),
        ({"event_timestamp": pd.NaT}, "'event_timestamp': row 0: None is no time"),
        ({"review_id": 3.4}, "'review_id': row 0: 3.4 is no key"),
        ({"review_id": True}, "'review_id': row 0: True"),
        ({"review_id": "7"}, "'review_id': row 0: '7'"),
        ({"event_timestamp": 1_780_000_000}, "'event_timestamp': row 0: 1780000000 is a number"),
    ):
        with pytest.raises(EmbfeastError, match=said):
            store.write_to_offline_store("review_reduced", frame.assign(**change))
    with pytest.raises(EmbfeastError, match="two rows have the same review_id"):
        store.write_to_offline_store("review_reduced", pd.concat([frame, frame]))
    fine = frame.assign(event_timestamp=np.datetime64("2026-03-05T00:00:00.000000123", "ns"))
    store.write_to_offline_store("review_reduced", fine)
    at = pd.DataFrame({"review_id": [70], "event_timestamp": [day(5)]})
    again = store.get_historical_features(at, ["review_reduced:reduced"]).to_df()
    assert again["reduced"][0].tolist() == [1.0, 2.0, 3.0, 4.0]
    texts = pd.DataFrame(
        [(1, "a", "b", day(1), day(1))],
        columns=["review_id", "title", "body", "written_at", "known_at"],
    )
    with pytest.raises(EmbfeastError, match="read-only"):
        store.write_to_offline_store("review_text", texts)


def test_rows_are_appended_to_one_parquet_file_once(tmp_path, rng):
    stored = stored_rows(rng)
    stored.to_parquet(tmp_path / "drives.parquet", index=False)
    store = open_store(tmp_path, {"type": "embfeast.plugin.DuckDBOfflineStore"})
    more = pd.DataFrame(
        {
            "driver_id": [99, int(stored["driver_id"].iloc[0])],
            "at": [day(40), stored["at"].iloc[0]],
            "known": [day(40), stored["known"].iloc[0]],
            "speed": np.float32([7.0, 8.0]),
        }
    )
    for _ in range(2):
        store.write_to_offline_store("drives", more)
    kept = pd.read_parquet(tmp_path / "drives.parquet")
    pd.testing.assert_frame_equal(kept[:-1], stored.reset_index(drop=True))
    assert kept.iloc[-1].to_list() == more.iloc[0].to_list(), "the other row was there already"
    asked = pd.DataFrame({"driver_id": [99], "event_timestamp": [day(41)]})
    assert store.get_historical_features(asked, ["drives:speed"]).to_df()["speed"].tolist() == [7.0]


def test_of_two_writers_to_one_parquet_file_none_loses_the_others_rows(tmp_path):
    def row(number):
        return pa.table({"key": [number], "value": [float(number)]})

    path = tmp_path / "rows.parquet"
    pq.write_table(row(0), path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: append_to_file(path, row(number), ["key"]), range(1, 20)))
    assert sorted(pq.read_table(path)["key"].to_pylist()) == list(range(20))


def test_what_is_no_time_and_a_missing_time_are_said(ready):
    _, store, _ = ready
    for times, message in [(["soon"], "is no time"), ([None], "1 rows have no")]:
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


def table_of(repo, store, name="review_reduced"):
    return Table.open(feature_table(store.get_feature_view(name), repo.config()).place)


def test_a_key_that_a_file_has_not_got_is_named_when_it_is_materialized(tmp_path, rng):
    rows = stored_rows(rng).rename(columns={"driver_id": "drivers_id"})
    rows.to_parquet(tmp_path / "drives.parquet")
    store = open_store(tmp_path, {"type": "embfeast.plugin.DuckDBOfflineStore"})
    with pytest.raises(EmbfeastError, match=r"no key column 'driver_id' .*it has drivers_id, at"):
        store.materialize(day(0), day(40))


def test_a_training_set_is_made_again_as_it_was_before_a_correction(ready):
    repo, store, _ = ready
    asked = pd.DataFrame({"review_id": [1, 2], "event_timestamp": [day(20)] * 2})
    features = ["review_reduced:reduced"]
    before = store.get_historical_features(asked, features)
    first, version = before.to_df(), before.metadata.table_versions["review_reduced"]
    then = pd.Timestamp.now("UTC")
    delete_where(table_of(repo, store), "review_id = 1")

    after = store.get_historical_features(asked, features)
    assert after.metadata.table_versions["review_reduced"] > version
    assert after.to_df()["reduced"].isna().tolist() == [True, False]
    pd.testing.assert_frame_equal(before.to_df(), first)  # a job reads the version that it names

    store.config.offline_store.table_time = then.to_pydatetime()
    again = store.get_historical_features(asked, features)
    assert again.metadata.table_versions["review_reduced"] == version
    pd.testing.assert_frame_equal(again.to_df(), first)
    store.config.offline_store.table_time = None

    views = [store.get_feature_view("review_reduced")]
    given = (store.config, views, features, asked, store.registry, store.project)
    one = DuckDBOfflineStore.get_historical_features(*given, table_time=then.to_pydatetime())
    pd.testing.assert_frame_equal(one.to_df(), first)


def test_the_digest_of_a_text_is_stored_and_in_no_answer(ready):
    import hashlib

    repo, store, _ = ready
    table = table_of(repo, store)
    rows = table.query(f"SELECT * FROM {table.scan()} ORDER BY review_id, event_timestamp")
    texts = {1: "parcel\nSomething about the parcel of number 1", 4: ""}
    for key, text in texts.items():
        found = rows["embfeast_text_sha256"][rows["review_id"].to_pylist().index(key)].as_py()
        assert found == hashlib.sha256(text.encode()).digest()
    asked = pd.DataFrame({"review_id": [1], "event_timestamp": [day(20)]})
    view = store.get_feature_view("review_reduced")
    history = store.get_historical_features(asked, ["review_reduced:reduced"]).to_df()
    everything = DuckDBOfflineStore.pull_all_from_table_or_query(
        store.config, view.batch_source, [], [], "event_timestamp"
    ).to_df()
    online = repo.lookup(store, [1])
    for names in (history.columns, everything.columns, online):
        assert "embfeast_text_sha256" not in names
    assert len(everything) == 13


def test_a_delta_source_of_any_repository_is_read_without_its_deleted_rows(ready, tmp_path):
    repo, store, _ = ready
    table = table_of(repo, store)
    delete_where(table, "review_id = 2")
    source = FileSource(
        name="drives",
        path=str(table.place),
        file_format=DeltaFormat(),
        timestamp_field="event_timestamp",
    )
    columns = dict(source.get_table_column_names_and_types(store.config))  # Feast's own reader
    assert {"review_id", "reduced", "review_reduced_digest"} <= set(columns)
    review = Entity(name="review", join_keys=["review_id"], value_type=ValueType.INT64)
    view = FeatureView(
        name="theirs",
        entities=[review],
        schema=[Field(name="review_reduced_digest", dtype=String)],
        source=source,
    )
    theirs = open_store(tmp_path, {"type": "embfeast.plugin.DuckDBOfflineStore"}, None, source)
    theirs.apply([review, view])
    asked = pd.DataFrame({"review_id": [1, 2, 3], "event_timestamp": [day(20)] * 3})
    got = theirs.get_historical_features(asked, ["theirs:review_reduced_digest"]).to_df()
    assert got["review_reduced_digest"].isna().tolist() == [False, True, False]
