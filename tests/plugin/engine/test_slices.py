"""What is planned by keys and digests alone is what is found where the texts are read at once."""

import duckdb
import pytest

from embfeast.plugin.engine.chunks import outdated_rows
from embfeast.plugin.engine.commit import Commit
from embfeast.plugin.engine.ray_worker import Run, TextWorker
from embfeast.plugin.engine.slices import read_slice
from embfeast.plugin.feature_table import is_ours
from embfeast.storage import Folder
from embfeast.texts.stretches import stretches
from tests.small_repository import day

PERIOD = (day(-1), day(20))


@pytest.fixture
def changed(ready):
    """A materialized repository one of whose texts was changed, and one written, since."""
    repo, store, fitted = ready
    with duckdb.connect(str(repo.path / "data" / "reviews.duckdb")) as texts:
        texts.execute("SET TimeZone = 'UTC'")
        texts.execute("UPDATE reviews SET body = 'Something else' WHERE review_id = 5")
        texts.execute("INSERT INTO reviews VALUES (77, 'new', 'A new one', $1, $1)", [day(3.5)])
    commit = Commit(store.config, list(filter(is_ours, store.list_batch_feature_views())))
    return repo, commit, fitted


@pytest.mark.parametrize("again", [False, True])
def test_a_slice_is_the_work_that_is_found_by_reading(changed, again):
    repo, commit, _ = changed
    with repo.source.open(repo.path, ["review_id"]) as texts:
        with commit.lacking(texts.read(*PERIOD, batch_rows=5), *PERIOD) as found:
            works = list(found)
            gone = commit.gone(PERIOD[1])
        with commit.planned(stretches(texts, *PERIOD, 5), *PERIOD) as planned:
            slices = list(planned)
            assert commit.gone(PERIOD[1]) == gone
        assert len(works) == len(slices) == 3
        for work, given in zip(works, slices, strict=True):
            read, outdated = read_slice(texts, given, commit.tables, again=again)
            if again:
                assert read.rows.num_rows == read.read == work.read
                assert {rows.num_rows for rows in outdated.values()} == {read.read}
            else:
                assert read.rows.equals(work.rows)
                for place in commit.tables:
                    assert list(read.lacking[place]) == list(work.lacking[place])
                    assert list(read.changed[place]) == list(work.changed[place])
                assert outdated == outdated_rows(work, commit.tables)
    assert sum(work.rows.num_rows for work in works) == 2


def test_a_worker_computes_the_same_of_a_slice_and_of_texts_that_it_is_given(changed, monkeypatch):
    repo, commit, fitted = changed
    monkeypatch.setattr("embfeast.plugin.engine.ray_worker.keep_to", lambda cpus: None)
    worker = TextWorker(1)
    worker.open(
        Run(commit.tables, repo.path, Folder(str(repo.recipes)), fitted.digest, False, False)
    )
    with repo.source.open(repo.path, ["review_id"]) as texts:
        with commit.lacking(texts.read(*PERIOD), *PERIOD) as found:
            (work,) = found
        with commit.planned(stretches(texts, *PERIOD, 100), *PERIOD) as planned:
            (given,) = planned
    one, other = worker.compute(given), worker.compute(work)
    assert one.counts == other.counts
    assert (one.counts.rows, one.counts.computed, one.counts.changed) == (14, 2, 1)
    assert [file.read() for file in one.files] == [file.read() for file in other.files]
    assert len(one.files) == len(commit.tables)
    assert {
        rows["review_id"][0].as_py()
        for rows in one.outdated.values()
        if "review_id" in rows.column_names
    } == {5}
