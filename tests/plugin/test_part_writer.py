import pyarrow.parquet as pq

from embfeast.plugin import part_writer, parts
from embfeast.plugin.feature_table import feature_table
from tests.plugin.conftest import day


def materialized_parts(repo):
    """Materialize thirteen rows in chunks of five; return the rows of each part."""
    store = repo.apply(repo.fit(day(8)))
    store.materialize(day(-1), day(20))
    folder = feature_table(store.get_feature_view("review_reduced")).folder(store.config)
    counts = [pq.read_metadata(part).num_rows for part in parts.parts(folder)]
    assert repo.lookup(store, [11])["reduced"][0] is not None
    return sorted(filter(None, counts))


def test_chunks_are_gathered_until_they_fill_a_row_group(repo, monkeypatch):
    monkeypatch.setattr(parts, "ROW_GROUP", 8)
    assert materialized_parts(repo) == [3, 10]


def test_few_rows_are_one_part(repo):
    assert materialized_parts(repo) == [13]


def test_a_slow_run_writes_what_it_has_in_good_time(repo, monkeypatch):
    monkeypatch.setattr(part_writer, "LONGEST_WAIT", 0.0)
    assert materialized_parts(repo) == [3, 5, 5]


def test_steps_of_any_size_make_the_same_rows(repo, monkeypatch):
    store = repo.apply(repo.fit(day(8)))
    store.materialize(day(-1), day(20))
    folder = feature_table(store.get_feature_view("review_reduced")).folder(store.config)
    before = [pq.read_table(part) for part in parts.parts(folder)]
    for part in parts.parts(folder):
        if part.name != parts.EMPTY:
            part.unlink()
    monkeypatch.setattr(part_writer, "STEP", 2)
    store.materialize(day(-1), day(20))
    assert [pq.read_table(part) for part in parts.parts(folder)] == before
