"""Pushed texts of entities: features against their past at once, and later rows mended."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from embfeast import EmbfeastError
from embfeast.plugin.engine.push import push_texts
from embfeast.repository.check.verify import verify
from tests.plugin.engine.test_histories import (
    COLUMNS,
    LATE,
    SETTINGS,
    Written,
    assert_served,
    expected,
    sample_rows,
)
from tests.small_repository import day

pytestmark = pytest.mark.slow


def rows(*given):
    return pd.DataFrame(given, columns=COLUMNS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    repo = Written(tmp_path_factory.mktemp("written") / "repo")
    repo.write_texts(sample_rows())
    fitted = repo.fit(day(8), SETTINGS)
    repo.apply(fitted, repo.push_source()).materialize(day(-1), day(20))
    return repo, fitted


@pytest.fixture
def written(made, tmp_path):
    repo = Written(shutil.copytree(made[0].path, tmp_path / "repo"))
    return repo, repo.store(), made[1]


NEW = (21, "what a writes now", day(13), day(13), "a")
BY_NOBODY = (22, "of nobody", day(14), day(14), None)
BLANK = (23, " ", day(14), day(14), "b")
REVISED = (6, "number 6 in other words", day(12), day(12), "a")
MOVED = (4, "this was not b's", day(10.5), day(12), "a")
CORRECTED = (3, "Something else of number 3", day(3), day(3), "a")


@pytest.mark.parametrize(
    "pushed",
    [[NEW], [NEW, LATE, BY_NOBODY, BLANK], [REVISED, NEW], [LATE], [MOVED], [CORRECTED]],
    ids=["new", "several", "revised", "late", "moved", "corrected"],
)
def test_pushed_texts_and_the_rows_after_them_have_the_bits_of_a_materialization(
    written, pushed, capsys
):
    repo, store, fitted = written
    store.push("review_push", rows(*pushed))
    for row in pushed:
        repo.change(f"DELETE FROM reviews WHERE review_id = {row[0]} AND written_at = '{row[2]}'")
    repo.write_texts(pushed)
    assert_served(repo, store, fitted)
    capsys.readouterr()
    store.materialize(day(-1), day(20))
    assert " 0 computed" in capsys.readouterr().err


def test_a_pushed_text_sees_one_that_was_pushed_before_and_is_in_no_source_yet(written):
    repo, store, fitted = written
    first = (30, "the first that d writes", day(12), day(12), "d")
    second = (31, "the second that d writes", day(13), day(13), "d")
    for row in (first, second):
        store.push("review_push", rows(row))
    assert np.expm1(repo.lookup(store, [31])["history_log_count"][0]).round() == 1
    repo.write_texts([first, second])
    assert_served(repo, store, fitted)


def test_pushes_at_the_same_time_end_as_if_one_had_come_after_the_other(written):
    repo, store, fitted = written
    new = [(40 + i, f"text {i} of many at once", day(12 + i), day(12 + i), "a") for i in range(4)]
    view = [v for v in store.list_batch_feature_views() if v.name == "review_history"]
    online = store._get_provider().online_store

    def push(row):
        push_texts(repo.config(), online, view, rows(row), online=False)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push, new))
    repo.write_texts(new)
    texts = repo.texts()
    at = pd.DataFrame({"review_id": texts["review_id"], "event_timestamp": texts["written_at"]})
    got = store.get_historical_features(at, ["review_history:history_log_count"]).to_df()
    wanted = expected(fitted, texts)["history_log_count"]
    assert np.array_equal(np.float32(got["history_log_count"]), np.float32(wanted), equal_nan=True)


def test_whole_numbers_name_the_same_writer_as_the_source_does(written):
    repo, store, _ = written
    repo.change("ALTER TABLE reviews ALTER writer TYPE INTEGER USING 7")
    store.materialize(day(-1), day(20))
    named = rows(
        (50, "by number seven", day(12), day(12), 7), (51, "by nobody", *[day(12)] * 2, None)
    )
    assert named["writer"].dtype == float
    store.push("review_push", named)
    repo.write_texts([tuple(row) for row in [(50, "by number seven", day(12), day(12), 7)]])
    repo.write_texts([(51, "by nobody", day(12), day(12), None)])
    assert [f for f in verify(store, sample=None) if not f.ok] == []


def test_rows_without_the_writers_column_or_with_a_fraction_are_refused(written):
    _, store, _ = written
    with pytest.raises(EmbfeastError, match="the rows lack writer"):
        store.push("review_push", rows(NEW).drop(columns="writer"))
    with pytest.raises(EmbfeastError, match="'writer' is float"):
        store.push("review_push", rows((*NEW[:4], 1.5)))
