"""Pushed texts: the rows that a materialization would write, at once."""

import subprocess
import sys
from datetime import timedelta
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureView, Field, PushSource
from feast.data_source import PushMode
from feast.types import String
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast import EmbfeastError
from embfeast.plugin.engine import commit
from embfeast.plugin.engine.push import push_texts, read_frame
from embfeast.plugin.feature_table import feature_table
from embfeast.repository.check.verify import verify
from embfeast.tables import append, newest_rows
from embfeast.tables.append import BusyError
from embfeast.tables.files import write_file
from embfeast.tables.newest_rows import newest_of_keys
from embfeast.tables.place import Place
from embfeast.tables.rewrite import delete_where
from embfeast.tables.table import ConflictError, Table, ensure_table
from embfeast.tables.upkeep import MOST_SMALL
from tests.small_repository import day

pytestmark = pytest.mark.slow

COLUMNS = ["review_id", "title", "body", "written_at", "known_at"]
NEW = (20, "refund", "I want my money back for number 20", day(12), day(12))
KEYS = {"review_id": pa.int64()}
FAR = timedelta(days=36_500)


def rows(*given: tuple) -> pd.DataFrame:
    return pd.DataFrame(given, columns=COLUMNS)


def of(store, name="review_reduced"):
    return next(view for view in store.list_batch_feature_views() if view.name == name)


def stored(repo, store, name="review_reduced") -> pa.Table:
    table = opened(repo, store, name)
    return table.query(f"SELECT * FROM {table.scan()} ORDER BY review_id, event_timestamp")


def opened(repo, store, name="review_reduced") -> Table:
    return Table.open(feature_table(of(store, name), repo.config()).place)


def breaches(store) -> list:
    return [finding for finding in verify(store, sample=None, max_lag=FAR) if not finding.ok]


def test_later_pushes_of_a_process_read_no_log_again(pushed):
    repo, store, _ = pushed
    store.push("review_push", rows(NEW))
    with patch("embfeast.tables.table.DeltaTable", side_effect=AssertionError("a log was read")):
        store.push("review_push", rows((21, *NEW[1:])))
    assert stored(repo, store)["review_id"].to_pylist()[-2:] == [20, 21]


def test_a_pushed_text_is_online_and_offline_at_once_in_every_view(pushed):
    repo, store, _ = pushed
    store.push("review_push", rows(NEW))
    online = repo.lookup(store, [20])
    assert online["embfeast_status"] == ["current"]
    at = pd.DataFrame({"review_id": [20], "event_timestamp": [day(12)]})
    offline = repo.training_set(store, at)
    names = online.keys() & set(offline.columns) - {"review_id"}
    assert {"embedding", "reduced", "whitened", "cluster", "similarity_billing"} <= names
    for name in names:
        assert np.array_equal(online[name][0], offline[name][0]), name
    pair = store.get_online_features(
        store.get_feature_service("pair"), [{"review_id": 20, "other_review_id": 20}]
    ).to_dict()
    assert pair["pair"][0] is not None
    assert breaches(store) == []


def test_the_next_materialization_agrees_to_the_bit_and_writes_no_row_twice(pushed):
    repo, store, _ = pushed
    store.push("review_push", rows(NEW))
    before, online = stored(repo, store), repo.lookup(store, [20])
    repo.write_texts([NEW])
    store.materialize(day(-1), day(20))
    assert stored(repo, store).equals(before)
    assert repo.lookup(store, [20]) == online
    assert breaches(store) == []
    assert any(f.detail == "14 rows equal to the bit" for f in verify(store, sample=None))


def test_verify_counts_pushed_rows_without_a_text_and_still_compares_them_online(pushed):
    repo, store, _ = pushed
    store.push("review_push", rows(NEW))
    found = [f for f in verify(store, sample=None) if f.view == "review_reduced"]
    assert "13 texts, none lost; 1 rows of texts that the source has not got yet" in [
        f.detail for f in found
    ]
    store.push(
        "review_push", rows((*NEW[:2], "a later word", day(13), day(13))), to=PushMode.ONLINE
    )
    delete_where(opened(repo, store), "event_timestamp > $at", {"at": day(12.5)})
    assert [(f.view, f.check) for f in breaches(store)] == [("review_reduced", "online")]


@pytest.mark.parametrize("together", [True, False])
def test_an_older_text_is_kept_offline_and_never_replaces_a_newer_value(pushed, together):
    repo, store, _ = pushed
    newer = (2, "speed", "the newest of all", day(15), day(15))
    older = (2, "speed", "between the two that are stored", day(5), day(16))
    for frame in [rows(newer, older)] if together else [rows(newer), rows(older)]:
        store.push("review_push", frame)
    at = pd.DataFrame({"review_id": [2, 2], "event_timestamp": [day(15), day(5)]})
    history = repo.training_set(store, at)
    assert np.array_equal(repo.lookup(store, [2])["reduced"][0], history["reduced"][0])
    assert not np.array_equal(history["reduced"][0], history["reduced"][1])
    assert breaches(store) == []


def test_an_offline_push_leaves_the_online_store_alone(pushed):
    repo, store, _ = pushed
    store.push("review_push", rows(NEW), to=PushMode.OFFLINE)
    assert 20 in stored(repo, store)["review_id"].to_pylist()
    assert repo.lookup(store, [20])["embfeast_status"] == ["missing"]
    store.push("review_push", rows(NEW), to=PushMode.ONLINE_AND_OFFLINE)
    assert repo.lookup(store, [20])["embfeast_status"] == ["current"]
    assert stored(repo, store)["review_id"].to_pylist().count(20) == 1


def test_a_push_that_was_stopped_is_repaired_by_pushing_again(pushed, monkeypatch):
    repo, store, _ = pushed
    with monkeypatch.context() as broken:
        broken.setattr("embfeast.plugin.engine.commit.write_online", lambda *a: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.push("review_push", rows(NEW))
    assert repo.lookup(store, [20])["embfeast_status"] == ["missing"]
    before = stored(repo, store)
    store.push("review_push", rows(NEW))
    assert repo.lookup(store, [20])["embfeast_status"] == ["current"]
    assert stored(repo, store).equals(before)


def test_blank_texts_give_null_features_that_replace_the_old_ones(pushed):
    repo, store, _ = pushed
    store.push("review_push", rows((1, "", "  ", day(12), day(12))))
    online = repo.lookup(store, [1])
    assert online["embfeast_status"] == ["current"]
    assert online["reduced"] == [None]
    assert breaches(store) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"review_id": None}, "'review_id' of row 0 is null"),
        ({"review_id": {}}, r"'review_id' of row 0: \{\}"),
        ({"review_id": True}, "'review_id' of row 0: True"),
        ({"review_id": 3.4}, "'review_id' of row 0 is 3.4"),
        ({"review_id": "6.6"}, "'review_id' of row 0: '6.6'"),
        ({"review_id": 2**63}, "'review_id' of row 0 is 9223372036854775808"),
        ({"written_at": None}, "row 0 has no 'written_at'"),
        ({"written_at": "soon"}, "'written_at': row 0: 'soon' is no time"),
        ({"known_at": 1_780_000_000}, "'known_at': row 0: 1780000000 is a number, which looks"),
        ({"body": 42}, "row 0: 'body' is int, not text"),
        ({"body": "x" * 101}, "101 characters"),
    ],
)
def test_a_row_that_cannot_be_taken_is_named(repo, change, message):
    bad = rows(NEW).astype(object).assign(**{name: [value] for name, value in change.items()})
    with pytest.raises(EmbfeastError, match=message):
        read_frame(bad, repo.source, KEYS, 100)


@pytest.mark.parametrize("key", ["seven", 1.5, True, None, 2**63])
def test_a_refused_push_has_stored_nothing(pushed, key):
    repo, store, _ = pushed
    before = stored(repo, store)
    with pytest.raises(EmbfeastError, match="'review_id' of row 1"):
        store.push("review_push", rows(NEW, (key, *NEW[1:])))
    assert stored(repo, store).equals(before)
    assert breaches(store) == []


def test_whole_floats_and_nanoseconds_are_taken_as_what_they_are(repo):
    moment = np.datetime64("2026-03-13T00:00:00.123456789")
    given = rows((3.0, "a", "b", moment, None), (4, "a", "b", moment, moment))
    table = read_frame(given, repo.source, KEYS, 100)
    assert table["review_id"].to_pylist() == [3, 4]
    assert table["written_at"].to_pylist() == [day(12) + timedelta(microseconds=123456)] * 2
    assert table["known_at"].null_count == 1


def test_a_plain_view_over_a_push_source_is_feasts_own(pushed):
    repo, store, _ = pushed
    plain = FeatureView(
        name="plain",
        entities=[repo.review],
        schema=[Field(name="title", dtype=String), Field(name="body", dtype=String)],
        source=PushSource(name="plain_push", batch_source=repo.source),
    )
    store.apply([plain])
    store.push("plain_push", rows(NEW))
    found = store.get_online_features(["plain:body"], [{"review_id": 20}]).to_dict()
    assert found["body"] == [NEW[2]]


def test_missing_columns_are_named_and_others_are_not_read(pushed):
    repo, store, _ = pushed
    with pytest.raises(EmbfeastError, match="lack known_at; they need review_id, written_at"):
        store.push("review_push", rows(NEW).drop(columns="known_at"))
    with pytest.raises(KeyError, match="body"):  # Feast itself looks for the features' columns
        store.push("review_push", rows(NEW).drop(columns="body"))
    store.push("review_push", rows(NEW).assign(stars=5))
    assert repo.lookup(store, [20])["embfeast_status"] == ["current"]


def test_equal_rows_are_taken_once_and_two_texts_of_one_time_are_refused(pushed):
    repo, store, _ = pushed
    store.push("review_push", rows(NEW, NEW))
    assert stored(repo, store)["review_id"].to_pylist().count(20) == 1
    with pytest.raises(EmbfeastError, match="two texts have the same key and time"):
        store.push("review_push", rows(NEW, (20, "refund", "another", day(12), day(12))))


def test_naive_times_and_text_times_are_taken_as_utc(repo):
    same = [day(12), day(12).tz_localize(None), "2026-03-13T00:00:00", "2026-03-13T01:00:00+01:00"]
    for moment in same:
        table = read_frame(
            rows((*NEW[:3], moment, moment)), repo.source, {"review_id": pa.int64()}, 100
        )
        assert table["written_at"].to_pylist() == [day(12)]


def test_after_a_refit_a_push_computes_by_the_applied_recipe(pushed):
    repo, store, old = pushed
    store.push("review_push", rows(NEW))
    new = repo.fit(day(7))
    store.push("review_push", rows((21, *NEW[1:])))
    assert repo.lookup(store, [21])["review_reduced_digest"] == [old.digest]
    applied = repo.apply(new, repo.push_source())
    store.refresh_registry()
    store.push("review_push", rows((22, *NEW[1:])))
    assert repo.lookup(applied, [22])["review_reduced_digest"] == [new.digest]


def test_a_push_does_not_try_for_ever_where_others_always_come_first(pushed, monkeypatch):
    repo, store, _ = pushed

    def too_late(*_args, **_options):
        raise ConflictError

    monkeypatch.setattr(append, "PATIENCE", 0.1)
    monkeypatch.setattr(Table, "commit", too_late)
    with pytest.raises(BusyError, match="nothing was stored; try again"):
        push_texts(repo.config(), store._get_provider().online_store, [of(store)], rows(NEW))


def test_a_newer_row_that_came_while_an_older_one_went_online_is_not_replaced(pushed, monkeypatch):
    repo, store, _ = pushed
    write, waiting = commit.write_online, [rows((21, "late", "the newer text", day(31), day(31)))]

    def after_another_push(*given):
        if waiting:
            store.push("review_push", waiting.pop())
        write(*given)

    monkeypatch.setattr(commit, "write_online", after_another_push)
    store.push("review_push", rows((21, "late", "the older text", day(30), day(30))))
    table = stored(repo, store)
    newest = table.filter(pa.compute.equal(table["review_id"], 21))["reduced"].to_pylist()
    assert len(newest) == 2
    assert np.array_equal(repo.lookup(store, [21])["reduced"][0], np.float32(newest[-1]))


PUSH = """
import sys, pandas as pd
from pathlib import Path
from tests.small_repository import Repo, day
repo, first = Repo(Path(sys.argv[1])), int(sys.argv[2])
store = repo.store()
for number in range(first, first + 18):
    at = day(30 + number / 100)
    row = [(key, "parcel", f"{key} says {number}", at, at) for key in (number, 7)]
    store.push("review_push", pd.DataFrame(row, columns=sys.argv[3:]))
"""


def test_pushes_of_several_processes_and_their_many_small_files_stay_right(pushed):
    repo, store, _ = pushed
    running = [
        subprocess.Popen([sys.executable, "-c", PUSH, str(repo.path), str(first), *COLUMNS])
        for first in (100, 200)
    ]
    assert [process.wait(timeout=1_500) for process in running] == [0, 0]
    table = stored(repo, store)
    assert table.num_rows == 13 + 2 * 2 * 18
    assert len(opened(repo, store).files) <= MOST_SMALL + 1, "small files were joined"
    newest = table.filter(pa.compute.equal(table["review_id"], 7))["reduced"].to_pylist()[-1]
    assert np.array_equal(repo.lookup(store, [7])["reduced"][0], np.float32(newest))
    assert breaches(store) == []


@settings(deadline=None)
@given(
    pushed=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6),
    before=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=6),
    few=st.sampled_from([0, 1_000]),
)
def test_the_newest_of_the_keys_are_those_of_the_whole_table(pushed, before, few):
    import tempfile

    def table(moments: list[tuple[int, int]]) -> pa.Table:
        times = [day(moment) for _, moment in moments]
        kind = pa.timestamp("us", tz="UTC")
        return pa.table(
            {
                "key": pa.array([key for key, _ in moments], pa.int64()),
                "event_timestamp": pa.array(times, kind),
                "created_timestamp": pa.array(times, kind),
            }
        )

    with tempfile.TemporaryDirectory() as name:
        made, _ = ensure_table(Place(name), table([]).schema)
        for one in (before, pushed):
            made.commit([write_file(made.place, table(one)).add()])
        with patch.object(newest_rows, "FEW_ROWS", few):
            found = newest_of_keys(made, ["key"], table(pushed)).to_pylist()
    keys = {key for key, _ in pushed}
    latest = {key: max(day(m) for k, m in pushed + before if k == key) for key in keys}
    assert {row["key"]: row["event_timestamp"] for row in found} == latest
