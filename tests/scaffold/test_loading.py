import duckdb
import pandas as pd
import pytest

from embfeast import EmbfeastError
from embfeast.scaffold.loading import load_file


@pytest.fixture(params=["csv", "parquet", "jsonl"])
def file(request, tmp_path):
    frame = pd.DataFrame({"id": ["b", "a"], "body": ["first", None]})
    path = tmp_path / f"reviews.{request.param}"
    if request.param == "csv":
        frame.to_csv(path, index=False)
    elif request.param == "parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path


def test_every_kind_of_file_is_loaded_with_its_rows_numbered(file, tmp_path):
    load_file(file, tmp_path / "d.duckdb", "reviews")
    with duckdb.connect(str(tmp_path / "d.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT id, body, row_id FROM reviews ORDER BY row_id").fetchall()
    assert rows == [("b", "first", 1), ("a", None, 2)]


def test_a_file_that_is_no_parquet_is_said_in_one_line(tmp_path):
    file = tmp_path / "reviews.parquet"
    file.write_text("not parquet")
    with pytest.raises(EmbfeastError, match=r"reviews.parquet cannot be read: ") as said:
        load_file(file, tmp_path / "d.duckdb", "reviews")
    assert "\n" not in str(said.value)
