"""Growth: cost a row at 1, 2, 4 and 8 times the rows, and reads after a thousand short runs."""

import os
import shutil
import statistics
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.measure import Row, elapsed, seconds
from benchmarks.memory import run_apart, stand_in, with_texts
from benchmarks.point_in_time import OURS, in_process, write_rows
from benchmarks.repository import make_repository, materialize_all, served_in
from embfeast.tables.append import Appender
from embfeast.tables.as_of_join import FeatureRelation, Spine, join_as_of
from embfeast.tables.columns import CREATED_TIME, EVENT_TIME, MOMENT
from embfeast.tables.place import Place
from embfeast.tables.table import Table, ensure_table
from embfeast.tables.upkeep import keep_up
from embfeast.texts import database

TIMES = (1, 2, 4, 8)
ROWS = 20_000
READ_ROWS = 50_000
RUNS, RUN_ROWS = 1_000, 100
WIDTH = 384
MICROSECOND = 1e6


def scaling() -> list[Row]:
    """Cost a row must not rise with the rows."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        template = make_repository(Path(folder) / "template", 2_000)
        halves: dict[str, float] = {}
        for times in TIMES:
            count = times * ROWS
            repo = with_texts(template, Path(folder) / str(times), count)
            os.sync()  # what was written before is not to be written back meanwhile
            spent_by_half = run_apart(_materialize, repo)
            shutil.rmtree(repo)
            for half, spent in spent_by_half.items():
                cost = MICROSECOND * spent / count
                rows.append(_growth(half, count, cost, halves.setdefault(half, cost)))
        first = 0.0
        for times in TIMES:
            count = times * READ_ROWS
            path = write_rows(Path(folder) / f"{count}.parquet", count)
            cost = MICROSECOND * in_process(OURS, path, count)["seconds"] / count
            first = first or cost
            rows.append(_growth("point-in-time", count, cost, first))
            path.unlink()
        rows.append(_small_parts(Path(folder)))
    return rows


def _growth(what: str, count: int, cost: float, first: float) -> Row:
    # A tenth is what two runs of the same rows differ by on a shared machine.
    return Row(
        "scaling", f"{what}, {count:,} rows", cost, first, "µs a row", cost / first, "<= 1.1"
    )


def _materialize(repo: Path) -> dict[str, float]:
    """Return the seconds of a run, and of its two halves."""
    stand_in()
    with served_in(elapsed) as online:
        whole = seconds(lambda: materialize_all(repo))
    return {
        "materialize": whole,
        "materialize, offline": whole - sum(online),
        "materialize, into SQLite": sum(online),
    }


def _small_parts(folder: Path) -> Row:
    """Compare reads of a table of many short runs with one of a single run."""
    many, one = (Place(str(folder / name)) for name in ("many", "one"))
    made = []
    for number in range(RUNS):
        rows = _rows(number * RUN_ROWS)
        made.append(rows)
        _run(many, rows)
    _run(one, pa.concat_tables(made))
    spent: dict[Place, list[float]] = {many: [], one: []}
    for _ in range(5):
        for table, found in spent.items():
            found.append(seconds(lambda table=table: _read(table)))
    own, other = (statistics.median(found[1:]) for found in spent.values())
    against = f"{RUNS:,} runs of {RUN_ROWS} rows: a read"
    return Row("scaling", against, own, other, "s", own / other, "<= 1.5")


def _run(place: Place, rows: pa.Table) -> None:
    table, _ = ensure_table(place, rows.schema)
    Appender(table, ["item_id", EVENT_TIME, CREATED_TIME]).append(rows)
    keep_up(table)


def _rows(start: int) -> pa.Table:
    numbers = np.arange(start, start + RUN_ROWS)
    vectors = np.random.default_rng(start).standard_normal(RUN_ROWS * WIDTH, dtype=np.float32)
    moments = pa.array(numbers * 1_000_000, MOMENT)
    return pa.table(
        {
            "item_id": numbers % 10_000,
            EVENT_TIME: moments,
            CREATED_TIME: moments,
            "vector": pa.ListArray.from_arrays(
                pa.array(np.arange(RUN_ROWS + 1) * WIDTH, pa.int32()), pa.array(vectors)
            ),
        }
    )


def _read(place: Place) -> None:
    total = RUNS * RUN_ROWS
    keys = np.random.default_rng(0).integers(0, 10_000, 20_000)
    spine = Spine(
        pa.array(np.full(len(keys), total * 1_000_000), MOMENT), {"item_id": pa.array(keys)}
    )
    table = Table.open(place)
    relation = FeatureRelation(
        view="items",
        scan=table.scan(row_ids=True),
        keys=(("item_id", "item_id"),),
        event=EVENT_TIME,
        created=CREATED_TIME,
        features=(("vector", "vector"),),
        ttl=None,
        files=tuple(table.files),
    )
    connection = database.connect_memory()
    try:
        join_as_of(connection, spine, [relation])
    finally:
        connection.close()
