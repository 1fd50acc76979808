"""A row is its text: what was changed, corrected or deleted is seen, said and mended."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from feast.data_source import PushMode

from embfeast.plugin.feature_table import feature_table
from embfeast.repository import materialize, verify
from embfeast.tables.table import Table
from tests.small_repository import day

pytestmark = pytest.mark.slow


def say(repo, sql, *values):
    with duckdb.connect(str(repo.path / "data" / "reviews.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(sql, values)


def breaches(store):
    found = [one for one in verify(store, sample=None) if not one.ok]
    return {(one.view, one.check) for one in found}, {one.mend for one in found}


def rows(store, config, key):
    view = store.get_feature_view("review_reduced")
    table = Table.open(feature_table(view, config).place)
    found = table.query(f"SELECT * FROM {table.scan()} WHERE review_id = {key} ORDER BY ALL")
    return found.to_pylist()


def push(store, *given, to=PushMode.ONLINE_AND_OFFLINE):
    columns = ["review_id", "title", "body", "written_at", "known_at"]
    store.push("review_push", pd.DataFrame(given, columns=columns), to=to)


def reduced(fitted, text):
    return np.float32(fitted.transform([text])["reduced"][0].as_py())


def test_a_text_changed_in_place_is_said_by_verify_and_computed_again_by_materialize(ready, capsys):
    repo, store, fitted = ready
    before = rows(store, repo.config(), 1)
    say(repo, "UPDATE reviews SET title = 'late', body = 'Where is it?' WHERE review_id = 1")
    say(repo, "UPDATE reviews SET title = 'now', body = 'not blank' WHERE review_id = 4")
    say(repo, "UPDATE reviews SET title = NULL, body = ' ' WHERE review_id = 5")
    found, advice = breaches(store)
    assert {check for _, check in found} == {"texts"}
    assert advice == {"run `embfeast materialize`"}
    materialize(store)
    assert "3 changed since" in capsys.readouterr().err
    assert breaches(store) == (set(), set())
    after = rows(store, repo.config(), 1)
    assert len(after) == len(before) == 1
    assert after[0]["event_timestamp"] == before[0]["event_timestamp"]
    assert np.array_equal(np.float32(after[0]["reduced"]), reduced(fitted, "late\nWhere is it?"))
    online = repo.lookup(store, [1, 4, 5])["reduced"]
    assert np.array_equal(online[0], after[0]["reduced"])
    assert online[1] is not None
    assert online[2] is None


def test_a_correction_pushed_under_the_same_key_and_time_replaces_the_row(pushed):
    repo, store, fitted = pushed
    push(store, (20, "refund", "I want my mony", day(12), day(12)))
    push(store, (20, "refund", "I want my money", day(12), day(12)))
    (row,) = rows(store, repo.config(), 20)
    wanted = reduced(fitted, "refund\nI want my money")
    assert np.array_equal(np.float32(row["reduced"]), wanted)
    assert np.array_equal(repo.lookup(store, [20])["reduced"][0], wanted)
    asked = pd.DataFrame({"review_id": [20], "event_timestamp": [day(12)]})
    assert np.array_equal(repo.training_set(store, asked)["reduced"][0], wanted)


def test_a_correction_known_later_is_another_row_and_earlier_answers_stay(pushed):
    repo, store, fitted = pushed
    push(store, (20, "refund", "I want my mony", day(12), day(12)))
    push(store, (20, "refund", "I want my money", day(12), day(13)))
    first, second = rows(store, repo.config(), 20)
    assert np.array_equal(np.float32(first["reduced"]), reduced(fitted, "refund\nI want my mony"))
    wanted = reduced(fitted, "refund\nI want my money")
    assert np.array_equal(np.float32(second["reduced"]), wanted)
    assert np.array_equal(repo.lookup(store, [20])["reduced"][0], wanted)


def test_a_push_to_the_offline_store_alone_goes_online_with_the_next_materialization(pushed):
    repo, store, _ = pushed
    push(store, (20, "refund", "money", day(60), day(60)), to=PushMode.OFFLINE)
    push(store, (21, "refund", "back", day(-60), day(-60)), to=PushMode.OFFLINE)
    found, advice = breaches(store)
    assert {check for _, check in found} == {"online"}
    assert advice == {"run `embfeast materialize`"}
    materialize(store)
    assert breaches(store) == (set(), set())
    assert None not in repo.lookup(store, [20, 21])["reduced"]


def test_rows_of_deleted_texts_are_said_and_dropped_offline_and_online(pushed, capsys):
    repo, store, _ = pushed
    older = rows(store, repo.config(), 2)[0]
    push(store, (20, "refund", "pushed ahead of its text", day(60), day(60)))
    say(repo, "DELETE FROM reviews WHERE review_id = 3")
    say(repo, "DELETE FROM reviews WHERE review_id = 2 AND written_at = ?", day(9))
    found, advice = breaches(store)
    assert {check for _, check in found} == {"texts"}
    assert all("--drop-missing" in one for one in advice)
    materialize(store)
    assert "2 rows of texts that are gone" in capsys.readouterr().err
    assert materialize(store, drop_missing=True).dropped == 2
    assert breaches(store) == (set(), set())
    assert rows(store, repo.config(), 3) == []
    assert rows(store, repo.config(), 2) == [older]
    online = repo.lookup(store, [2, 3, 20])
    assert np.array_equal(online["reduced"][0], older["reduced"])
    assert online["reduced"][1] is None
    assert online["reduced"][2] is not None, "its text is not in the source yet, which is no fault"
    assert online["embfeast_status"] == ["current", "missing", "current"]


def test_when_every_text_is_gone_the_advice_still_removes_their_rows(ready):
    repo, store, _ = ready
    say(repo, "DELETE FROM reviews")
    found, advice = breaches(store)
    assert {check for _, check in found} == {"texts"}
    assert "--drop-missing" in advice.pop()
    assert materialize(store, drop_missing=True).dropped == 13
    assert breaches(store) == (set(), set())
    assert repo.lookup(store, [1])["embfeast_status"] == ["missing"]
