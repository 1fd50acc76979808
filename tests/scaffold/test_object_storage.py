"""`embfeast init` on files and folders of an S3 server."""

import io

import duckdb
import pandas as pd
import pytest
from typer.testing import CliRunner

from embfeast import EmbfeastError
from embfeast.cli import app
from embfeast.storage import write_bytes
from tests.object_storage import HUSH
from tests.scaffold.conftest import note

pytestmark = pytest.mark.slow
ROWS = pd.DataFrame(
    {
        "visit_id": range(40),
        "note": [note(i) for i in range(40)],
        "seen": pd.date_range("2026-03-01T08:00:00Z", periods=40, freq="h"),
    }
)


@pytest.fixture(scope="module")
def visits(bucket):
    """The same rows as CSV, as Parquet, and as the only table of a folder."""
    packed = io.BytesIO()
    ROWS.to_parquet(packed, index=False)
    write_bytes(f"{bucket}/in/visits.csv", ROWS.to_csv(index=False).encode())
    write_bytes(f"{bucket}/in/visits.parquet", packed.getvalue())
    write_bytes(f"{bucket}/folder/visits.parquet", packed.getvalue())
    return bucket


def init(repo, *words):
    ran = CliRunner().invoke(app, ["init", str(repo), *words, "--yes"], catch_exceptions=True)
    if ran.exception is not None:
        raise ran.exception
    return ran.stdout


@pytest.mark.parametrize("name", ["visits.csv", "visits.parquet"])
def test_a_file_is_loaded_as_one_of_this_machine_is(visits, tmp_path, name):
    said = init(tmp_path / "repo", "--file", f"{visits}/in/{name}")
    assert "40 rows, 40 keys" in said
    database = tmp_path / "repo" / "data" / "visits.duckdb"
    with duckdb.connect(str(database), read_only=True) as connection:
        loaded = connection.execute("SELECT visit_id, note FROM visits ORDER BY ALL").df()
    pd.testing.assert_frame_equal(loaded, ROWS[["visit_id", "note"]])
    assert [one.name for one in tmp_path.iterdir()] == ["repo"]


def test_a_folder_stays_where_it_is_and_the_repository_names_it(visits, tmp_path):
    assert "40 rows, 40 keys" in init(tmp_path / "repo", "--database", f"{visits}/folder")
    written = [file.read_text() for file in (tmp_path / "repo").rglob("*") if file.is_file()]
    assert any(f'database="{visits}/folder"' in text for text in written)
    assert not any(HUSH in text for text in written)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("s3://features/in/none.csv", "s3://features/in/none.csv does not exist"),
        ("s3://no-such-bucket/visits.csv", "visits.csv cannot be read: the bucket does not exist"),
        ("s3://features/in/half.parquet", "s3://features/in/half.parquet cannot be read"),
        ("s3://features/in/empty.csv", "s3://features/in/empty.csv is empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_by_its_address(visits, tmp_path, file, message):
    write_bytes(f"{visits}/in/half.parquet", b"PAR1 and no more")
    write_bytes(f"{visits}/in/empty.csv", b"")
    with pytest.raises(EmbfeastError, match=message) as raised:
        init(tmp_path / "repo", "--file", file)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())
