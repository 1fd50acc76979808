import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embfeast import EmbfeastError
from embfeast.plugin import database, parts

SCHEMA = pa.schema([("id", pa.int64()), ("at", pa.timestamp("us", tz="UTC")), ("x", pa.string())])


def rows(*numbers):
    return pa.table(
        {
            "id": list(numbers),
            "at": pa.array(numbers, SCHEMA.field("at").type),
            "x": ["a"] * len(numbers),
        },
        schema=SCHEMA,
    )


def read(folder):
    connection = database.connect_memory()
    scanned = parts.scan_sql(folder)
    return sorted(r[0] for r in connection.execute(f"SELECT id FROM {scanned}").fetchall())


def test_a_new_table_has_its_columns_and_no_rows(tmp_path):
    assert parts.ensure_table(tmp_path / "t", SCHEMA) is True
    assert parts.ensure_table(tmp_path / "t", SCHEMA) is False
    assert pq.ParquetDataset(tmp_path / "t").schema.names == SCHEMA.names
    assert read(tmp_path / "t") == []


def test_other_columns_are_refused_by_name(tmp_path):
    parts.ensure_table(tmp_path, SCHEMA)
    with pytest.raises(EmbfeastError, match="x string"):
        parts.ensure_table(tmp_path, SCHEMA.remove(2))


def test_chunked_rows_are_all_written_and_the_same_rows_are_one_part(tmp_path):
    chunked = pa.concat_tables([rows(1, 2), rows(3), rows(4, 5, 6)])
    one = parts.write_part(tmp_path, chunked)
    assert parts.write_part(tmp_path, chunked.combine_chunks()) == one
    assert read(tmp_path) == [1, 2, 3, 4, 5, 6]


def test_half_written_parts_are_not_seen_and_nothing_is_left_behind(tmp_path):
    parts.write_part(tmp_path, rows(1))
    (tmp_path / ".half.tmp").write_bytes(b"PAR1")
    (tmp_path / "._x.parquet").write_bytes(b"PAR1")
    assert read(tmp_path) == [1]
    assert sum(p.suffix == ".tmp" for p in tmp_path.iterdir()) == 1


@pytest.mark.parametrize("name", ["with [brackets]*?", "it's", 'a "quote"', "größe ü 🙂"])
def test_folders_of_any_name_are_read(tmp_path, name):
    parts.write_part(tmp_path / name, rows(7))
    assert read(tmp_path / name) == [7]


def test_rows_that_are_lacking_are_told_by_all_their_columns(tmp_path):
    parts.write_part(tmp_path, rows(1, 2, 3))
    wanted = rows(2, 3, 4).select(["id", "at"])
    assert parts.lacking_rows(tmp_path, wanted, "at").tolist() == [False, False, True]


def test_a_place_that_cannot_be_written_and_a_broken_part_are_said(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(EmbfeastError, match="cannot be written"):
        parts.write_part(tmp_path / "file" / "t", rows(1))
    (tmp_path / "a.parquet").write_bytes(b"broken")
    with pytest.raises(EmbfeastError, match=r"a\.parquet cannot be read"):
        parts.table_schema(tmp_path)
    with pytest.raises(EmbfeastError, match="run `feast apply` first"):
        parts.scan_sql(tmp_path / "nothing")
