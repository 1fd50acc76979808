from embfeast.plugin.engine import part_writer
from embfeast.plugin.feature_table import feature_table, is_ours
from embfeast.tables import files
from embfeast.tables.rewrite import delete_where
from embfeast.tables.table import EMPTY, Table
from tests.small_repository import day


def materialized_files(repo):
    """Materialize thirteen rows in chunks of five; return the rows of each file."""
    store = repo.apply(repo.fit(day(8)))
    store.materialize(day(-1), day(20))
    assert repo.lookup(store, [11])["reduced"][0] is not None
    return sorted(filter(None, opened(store).rows_of().values()))


def opened(store):
    place = feature_table(store.get_feature_view("review_reduced"), store.config).place
    return Table.open(place)


def test_chunks_are_gathered_until_they_fill_a_row_group(repo, monkeypatch):
    monkeypatch.setattr(files, "ROW_GROUP", 8)
    assert materialized_files(repo) == [3, 10]


def test_few_rows_are_one_file(repo):
    assert materialized_files(repo) == [13]


def test_a_slow_run_writes_what_it_has_in_good_time(repo, monkeypatch):
    monkeypatch.setattr(part_writer, "LONGEST_WAIT", 0.0)
    assert materialized_files(repo) == [3, 5, 5]


def test_steps_of_any_size_make_the_same_rows(repo, monkeypatch):
    store = repo.apply(repo.fit(day(8)))
    store.materialize(day(-1), day(20))
    table = opened(store)
    before = table.query(f"SELECT * FROM {table.scan()}")
    for view in filter(is_ours, store.list_batch_feature_views()):
        delete_where(Table.open(feature_table(view, store.config).place), "true")
    assert table.reload().files == [table.place.file(EMPTY)]
    monkeypatch.setattr(part_writer, "STEP", 2)
    store.materialize(day(-1), day(20))
    table.reload()
    assert table.query(f"SELECT * FROM {table.scan()}").equals(before)
