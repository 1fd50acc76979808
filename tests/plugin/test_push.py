"""Pushed texts: the rows that a materialization would write, at once."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from embfeast.plugin import parts
from embfeast.plugin.feature_table import feature_table
from embfeast.plugin.verify import verify
from tests.plugin.conftest import day

TEXTS = ["title", "body"]


def rows(*given: tuple) -> pd.DataFrame:
    return pd.DataFrame(given, columns=["review_id", *TEXTS, "written_at", "known_at"])


NEW = (20, "refund", "I want my money back for number 20", day(12), day(12))


def stored(repo, store, name="review_reduced") -> pa.Table:
    view = next(v for v in store.list_batch_feature_views() if v.name == name)
    folder = feature_table(view).folder(repo.config())
    return pa.concat_tables(pq.read_table(part) for part in parts.parts(folder))


def test_a_pushed_text_is_online_and_offline_at_once_in_every_view(pushed):
    repo, store, _ = pushed
    store.push("review_push", rows(NEW))
    online = repo.lookup(store, [20])
    assert online["embfeast_status"] == ["current"]
    at = pd.DataFrame({"review_id": [20], "event_timestamp": [day(12)]})
    offline = repo.training_set(store, at)
    for name in online.keys() & set(offline.columns) - {"review_id"}:
        assert pa.scalar(online[name][0]) == pa.scalar(offline[name][0]), name
    assert [f for f in verify(store, sample=None) if not f.ok] == []


def test_the_next_materialization_agrees_to_the_bit_and_writes_no_row_twice(pushed):
    repo, store, _ = pushed
    store.push("review_push", rows(NEW))
    before, online = stored(repo, store), repo.lookup(store, [20])
    repo.write_texts([NEW])
    store.materialize(day(-1), day(20))
    assert stored(repo, store).sort_by("review_id").equals(before.sort_by("review_id"))
    assert repo.lookup(store, [20]) == online
    found = verify(store, sample=None)
    assert [f for f in found if not f.ok] == []
    assert any(f.detail == "14 rows equal to the bit" for f in found)
