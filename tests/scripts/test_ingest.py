import duckdb
import pandas as pd
import pytest

from embfeast import EmbfeastError
from ingest import ingest

ROWS = [("a", "first text", 5, "2026-01-01T10:00:00"), ("b", None, 1, "2026-01-02T10:00:00")]


@pytest.fixture(params=["csv", "parquet", "jsonl"])
def file(request, tmp_path):
    frame = pd.DataFrame(ROWS, columns=["id", "body", "stars", "at"])
    path = tmp_path / f"reviews.{request.param}"
    if request.param == "csv":
        frame.to_csv(path, index=False)
    elif request.param == "parquet":
        frame.assign(at=pd.to_datetime(frame["at"])).to_parquet(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path


def ask(path, sql):
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def test_every_kind_of_file_is_loaded_and_what_was_made_up_is_said(file, tmp_path):
    target = tmp_path / "t.duckdb"
    loaded, *notes = ingest(file, target, ["body"], label="stars")
    assert loaded == "2 rows loaded, 1 without a text"
    assert any("No key" in note for note in notes)
    assert any("No time" in note for note in notes)
    assert ask(target, "SELECT ticket_id, category FROM labels ORDER BY 1") == [(1, "5"), (2, "1")]
    assert ask(target, "SELECT count(DISTINCT event_timestamp) FROM tickets") == [(2,)]
    again = tmp_path / "again.duckdb"
    ingest(file, again, ["body"], label="stars")
    assert ask(again, "FROM tickets ORDER BY 1") == ask(target, "FROM tickets ORDER BY 1")


def test_own_keys_and_times_are_kept(file, tmp_path):
    target = tmp_path / "t.duckdb"
    notes = ingest(file, target, ["body"], key="id", time="at")
    assert any("source_key" in note for note in notes)
    assert any("taken as UTC" in note for note in notes)
    rows = ask(target, "SELECT source_key, event_timestamp::VARCHAR FROM tickets ORDER BY 1")
    assert rows == [("a", "2026-01-01 10:00:00+00"), ("b", "2026-01-02 10:00:00+00")]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("id,body\n1,a\n", {"text": ["bodi"]}, r"no column 'bodi' \(did you mean 'body'\?\)"),
        ("id,body\n1,a\n", {"text": ["id"]}, "'id' is BIGINT, not text"),
        ("id,body\n1,a\n", {"text": ["body"], "time": "id"}, "not a time"),
        ("id,body\n1,a\n", {"text": []}, "at least one text column"),
        ("id,body\n", {"text": ["body"]}, "has no rows"),
        ("", {"text": ["body"]}, "is empty"),
        (
            "id,body,at\n1,a,2026-01-01\n1,b,2026-01-01\n",
            {"text": ["body"], "key": "id", "time": "at"},
            "key 1 has 2 rows at one time",
        ),
        (
            "id,body,at\n1,a,\n2,b,2026-01-01\n",
            {"text": ["body"], "time": "at"},
            "1 rows have none",
        ),
    ],
)
def test_what_is_wrong_is_said_and_the_old_database_stays(tmp_path, content, options, message):
    target = tmp_path / "t.duckdb"
    target.write_bytes(b"old")
    file = tmp_path / "f.csv"
    file.write_text(content)
    with pytest.raises(EmbfeastError, match=message):
        ingest(file, target, **options)
    assert target.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.csv", "t.duckdb"]


def test_missing_and_unknown_files_are_said(tmp_path):
    with pytest.raises(EmbfeastError, match="does not exist"):
        ingest(tmp_path / "f.csv", tmp_path / "t.duckdb", ["body"])
    (tmp_path / "f.xlsx").write_text("x")
    with pytest.raises(EmbfeastError, match=r"unknown kind of file; give one of \.csv"):
        ingest(tmp_path / "f.xlsx", tmp_path / "t.duckdb", ["body"])


def test_banking77_loads(banking, tmp_path):
    from pathlib import Path

    data = Path(__file__).parents[3] / "shared" / "data" / "banking77_train.csv"
    loaded, *_ = ingest(data, tmp_path / "t.duckdb", ["text"], label="category")
    assert loaded.startswith(f"{len(banking):,} rows loaded")
    assert len(banking) == 10_003
    labels = ask(tmp_path / "t.duckdb", "SELECT count(DISTINCT category) FROM labels")
    assert labels == [(77,)]
