"""States of entities where others write meanwhile, or a run is stopped in between."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pyarrow as pa
import pytest

from embfeast.plugin.engine import entity_states
from embfeast.plugin.engine.commit import Commit
from embfeast.plugin.engine.push import push_texts
from embfeast.plugin.feature_table import feature_table
from embfeast.repository import forgetting
from embfeast.repository.forgetting import forget
from embfeast.repository.materializing import materialize
from embfeast.tables.append import BusyError
from embfeast.tables.columns import MOMENT
from embfeast.tables.rewrite import delete_keys
from embfeast.tables.table import Table
from tests.plugin.engine.test_entity_states import assert_states, pushed
from tests.plugin.engine.test_histories import LATE
from tests.small_repository import day

pytestmark = pytest.mark.slow


NEWER = (50, "what a writes in the meantime", day(13), day(13), "a")


def test_pushes_at_the_same_time_leave_the_states_of_all_of_them(stated):
    repo, store, fitted = stated
    new = [(40 + i, f"text {i} of many at once", day(12 - i), day(12), "a") for i in range(4)]
    views = [view for view in store.list_batch_feature_views() if "history" in view.name]
    online = store._get_provider().online_store

    def push(row):
        push_texts(repo.config(), online, views, pushed(row))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push, new))
    repo.write_texts(new)
    store.materialize(day(-1), day(20), feature_views=["review_reduced"])
    assert_states(repo, store, fitted)


def test_a_push_while_a_run_computes_states_is_not_taken_for_gone(stated, monkeypatch):
    repo, store, fitted = stated
    erased = []

    class Interrupted(entity_states.EntityStates):
        def __init__(self, *args):
            monkeypatch.undo()
            store.push("review_push", pushed(NEWER))
            monkeypatch.setattr(entity_states, "erase_online", lambda *args: erased.append(args))
            super().__init__(*args)

    monkeypatch.setattr(entity_states, "EntityStates", Interrupted)
    repo.write_texts([NEWER])
    store.materialize(day(-1), day(20), feature_views=["review_history_state"])
    assert erased == []
    assert_states(repo, store, fitted)


def test_texts_that_others_write_meanwhile_again_and_again_are_waited_for_a_while(
    stated, monkeypatch
):
    repo, store, fitted = stated
    views = [repo.views(store)[name] for name in ("review_reduced", "review_history")]
    online = store._get_provider().online_store
    rows = [(70 + i, f"text {i} meanwhile", day(13 + i), day(13 + i), "a") for i in range(4)]
    left = list(rows)

    class Interrupted(entity_states.EntityStates):
        def __init__(self, *args):
            if left:
                push_texts(repo.config(), online, views, pushed(left.pop()))
            super().__init__(*args)

    repo.write_texts(rows)
    monkeypatch.setattr(entity_states, "EntityStates", Interrupted)
    with monkeypatch.context() as patch:
        patch.setattr(entity_states, "MOST_ROUNDS", 2)
        with pytest.raises(BusyError, match=r"2 times .* is stored; try again"):
            run_states(store)
    run_states(store)
    assert not left
    assert_states(repo, store, fitted)


def run_states(store):
    """Run over a period without texts."""
    store.materialize(day(18), day(20), feature_views=["review_history_state"])


class KilledError(Exception):
    pass


def killed(*args, **kwargs):
    raise KilledError


def killed_after(*args):
    delete_keys(*args)
    raise KilledError


@pytest.mark.parametrize("kill", [killed, killed_after])
def test_a_run_killed_while_rows_are_taken_out_leaves_the_newest_others(stated, monkeypatch, kill):
    repo, store, fitted = stated
    repo.change("DELETE FROM reviews WHERE body LIKE 'I have changed my mind%'")
    history = feature_table(repo.views(store)["review_history"], repo.config())
    row = pa.table({"review_id": [3], "event_timestamp": pa.array([day(8)], MOMENT)})
    assert delete_keys(Table.open(history.place), row) == 1
    with monkeypatch.context() as patch:
        patch.setattr(entity_states, "delete_keys", kill)
        with pytest.raises(KilledError):
            run_states(store)
    assert repo.state(store, "a")["at"] == day(6).value // 1000
    run_states(store)
    assert repo.state(store, "a")["at"] == day(6).value // 1000
    materialize(store, drop_missing=True)
    assert_states(repo, store, fitted)


def test_states_of_a_run_that_was_killed_before_it_served_them_go_online_with_the_next(
    stated, monkeypatch
):
    repo, store, fitted = stated
    views = [repo.views(store)[name] for name in ("review_reduced", "review_history")]
    early = (*LATE[:3], LATE[2], "a")  # known at once: states after it are known when they were
    push_texts(repo.config(), store._get_provider().online_store, views, pushed(early))
    repo.write_texts([early])
    with monkeypatch.context() as patch:
        patch.setattr(Commit, "serve_period", killed)
        with pytest.raises(KilledError):
            run_states(store)
    assert repo.state(store, "a")["count"] == 3
    run_states(store)
    assert_states(repo, store, fitted)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_forgotten_text_is_in_no_state_and_in_none_of_its_files(stated, monkeypatch, stopped):
    repo, store, fitted = stated
    folder = repo.path / "data" / "features" / "review_history_state"
    before = set(folder.rglob("*.parquet"))
    erase = forgetting._erase_offline

    def killed_after_history(stored, *args):
        found = erase(stored, *args)
        if "review_history/" in stored.place.uri:
            raise KilledError
        return found

    if stopped:
        with monkeypatch.context() as patch:
            patch.setattr(forgetting, "_erase_offline", killed_after_history)
            with pytest.raises(KilledError):
                forget(store, {"review_id": 0})
    forget(store, {"review_id": 0})
    repo.change("DELETE FROM reviews WHERE review_id = 0")
    materialize(store)
    assert_states(repo, store, fitted)
    held = [path for path in before if path.exists()]
    at = [pd.read_parquet(path).query("writer == 'a'") for path in held]
    assert not any(len(rows) for rows in at), "files from before hold no state of its writer"
