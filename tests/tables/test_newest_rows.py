import pyarrow as pa
import pytest

from embfeast import EmbfeastError
from embfeast.tables import newest_rows as module
from embfeast.tables.columns import MOMENT
from embfeast.tables.files import write_file
from embfeast.tables.newest_rows import newest_of_keys, newest_positions, newest_rows
from embfeast.tables.place import Place
from embfeast.tables.table import Table, ensure_table
from tests.small_repository import day

KEYS = ["embfeast_key", "number", "file"]


def write(folder, rows):
    """Add rows of (key, event, known, vector) as one file; keys have names that queries use."""
    keys, events, known, vectors = zip(*rows, strict=True)
    columns = {name: pa.array(keys, pa.int64()) for name in KEYS}
    columns["event_timestamp"] = pa.array(map(day, events), MOMENT)
    columns["created_timestamp"] = pa.array(map(day, known), MOMENT)
    columns["vector"] = pa.array([[float(v)] for v in vectors], pa.list_(pa.float32()))
    table = pa.table(columns)
    made, _ = ensure_table(Place(str(folder)), table.schema)
    made.commit([write_file(made.place, table).add()])
    return made, table


@pytest.fixture
def stored(tmp_path):
    write(tmp_path, [(1, 1, 1, 10), (2, 1, 1, 20), (3, 5, 5, 30)])
    return write(tmp_path, [(1, 3, 3, 11), (2, 1, 2, 21), (3, 4, 9, 31)])[0]


def found(tables):
    table = pa.concat_tables(tables)
    keys = table["file"].to_pylist()
    return {key: vector[0] for key, vector in zip(keys, table["vector"].to_pylist(), strict=True)}


def test_the_latest_event_counts_then_the_one_known_last(stored):
    count, tables = newest_rows(stored, KEYS, day(0), day(20))
    assert count == 3
    assert found(tables) == {1: 11, 2: 21, 3: 30}


def test_keys_outside_the_period_are_left_out_and_others_whole(stored):
    count, tables = newest_rows(stored, KEYS, day(3), day(20), batch_rows=1)
    tables = list(tables)
    assert count == len(tables) == 2
    assert found(tables) == {1: 11, 3: 30}


@pytest.mark.parametrize("few", [0, 1_000])
def test_rows_just_written_do_not_hide_newer_ones(stored, tmp_path, few, monkeypatch):
    monkeypatch.setattr(module, "FEW_ROWS", few)
    stored, late = write(tmp_path, [(3, 2, 10, 32), (1, 4, 4, 12)])
    assert found([newest_of_keys(stored, KEYS, late)]) == {1: 12, 3: 30}


def test_of_equal_rows_the_one_in_the_file_of_the_last_name_counts(tmp_path):
    for vector in range(5):
        table, _ = write(tmp_path, [(1, 1, 1, vector)])
    files, file_of, row_of = newest_positions(table, KEYS)
    assert (files[file_of[0]], row_of[0]) == (max(files), 0)


def test_a_file_that_is_read_under_another_name_is_an_error_and_no_lost_row(stored, monkeypatch):
    real = stored.scan(row_ids=True)
    monkeypatch.setattr(Table, "scan", lambda *_, **__: real)
    stored.files = [f"{stored.place}/elsewhere.parquet"]
    with pytest.raises(EmbfeastError, match=r"feature table .* changed their names; read again"):
        newest_positions(stored, KEYS)
