"""DuckDB reading files of an S3 server with several threads."""

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embfeast.storage import Folder, open_to_write
from embfeast.texts.database import let_read

pytestmark = pytest.mark.slow


def test_threads_that_read_one_remote_file_at_once_read_their_own_places(bucket):
    numbers = np.arange(100_000)
    table = pa.table({"number": numbers, "text": [f"text {number}" for number in numbers]})
    with open_to_write(f"{bucket}/read/a.parquet") as file:
        pq.write_table(table, file, row_group_size=4_000)
    with duckdb.connect(config={"threads": 4}) as connection:
        let_read(connection, Folder(bucket))
        for _ in range(5):
            found = connection.execute(
                f"SELECT count(*), sum(number), count(DISTINCT text) "
                f"FROM read_parquet('{bucket}/read/a.parquet') "
                "WHERE number >= 50_000 AND text LIKE '%7'"
            ).fetchone()
            wanted = numbers[(numbers >= 50_000) & (numbers % 10 == 7)]
            assert found == (len(wanted), int(wanted.sum()), len(wanted))
