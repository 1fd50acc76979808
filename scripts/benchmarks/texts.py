"""The texts of the benchmarks: Banking77 where it is there, else the sample."""

import tempfile
from functools import cache
from pathlib import Path

import duckdb

from make_sample import make_sample

BANKING = Path(__file__).parents[3] / "shared" / "data" / "banking77_train.csv"


@cache
def texts(count: int) -> list[str]:
    """Return so many different texts; where there are not enough, they are numbered anew."""
    found = _banking() if BANKING.exists() else _sample(count)
    if len(found) >= count:
        return found[:count]
    rounds = -(-count // len(found))
    return [f"{text} {n}" if n else text for n in range(rounds) for text in found][:count]


def _banking() -> list[str]:
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT text FROM read_csv($file) WHERE trim(text) <> '' ORDER BY hash(text)",
            {"file": str(BANKING)},
        ).fetchall()
    return [row[0] for row in rows]


def _sample(count: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.duckdb"
        make_sample(path, max(count, 1000), 7)
        with duckdb.connect(str(path), read_only=True) as connection:
            rows = connection.execute(
                "SELECT DISTINCT concat_ws(chr(10), subject, body) AS text FROM tickets "
                "WHERE trim(body) <> '' ORDER BY hash(text)"
            ).fetchall()
    return [row[0] for row in rows]
