"""The oracle, our offline store and Feast's own ones on the same Parquet, case by case.

Where Feast's stores differ, the difference is written down here and in docs/reliability.md.
"""

import warnings

import numpy as np
import pandas as pd
import pytest

from tests.plugin.test_offline_store import open_store
from tests.tables.test_as_of_join import oracle

pytestmark = pytest.mark.slow

T = pd.Timestamp("2026-03-01", tz="UTC")
OURS = "embfeast.plugin.DuckDBOfflineStore"

# name: feature rows (key, event, created, value), entity rows (key, time), ttl in hours, and which
# of the entity rows Feast's dask store, its default, gives back (None: all of them). Feast's duckdb
# store gives back all in every case. Both change the order of the rows.
CASES = {
    "before, between and after revisions": (
        [(1, 0, 0, 1.0), (1, 5, 5, 2.0)],
        [(1, 3), (1, 7), (1, -1), (2, 3)],
        None,
        [0, 1, 3],  # not the row before the key's first revision
    ),
    "an event at the entity row's own time": ([(1, 3, 3, 1.0)], [(1, 3)], None, None),
    "one event corrected later": (
        [(1, 3, 3, 1.0), (1, 3, 9, 2.0)],
        [(1, 10)],
        None,
        None,
    ),
    "one event corrected later, in another order": (
        [(1, 3, 9, 2.0), (1, 3, 3, 1.0)],
        [(1, 10)],
        None,
        None,
    ),
    "a ttl, at its end and beyond": ([(1, 0, 0, 1.0)], [(1, 4), (1, 5)], 4, [0]),
    "a null feature that is the newest": (
        [(1, 0, 0, 1.0), (1, 5, 5, None)],
        [(1, 7)],
        None,
        None,
    ),
    "a feature row without a key": (
        [(None, 0, 0, 1.0), (1, 0, 0, 2.0)],
        [(1, 3)],
        None,
        None,
    ),
    "rows that do not say when they were known": (
        [(1, 0, None, 1.0), (1, 5, None, 2.0)],
        [(1, 7)],
        None,
        None,
    ),
    "equal entity rows": ([(1, 0, 0, 1.0)], [(1, 7), (1, 7)], None, [0]),
}


def hour(number):
    return None if number is None else T + pd.Timedelta(hours=number)


def write(path, rows):
    times = [pd.Series(pd.to_datetime([hour(row[i]) for row in rows], utc=True)) for i in (1, 2)]
    pd.DataFrame(
        {
            "driver_id": pd.array([row[0] for row in rows], dtype="Int64"),
            "at": times[0].astype("datetime64[us, UTC]"),
            "known": times[1].astype("datetime64[us, UTC]"),
            "speed": np.array([np.nan if r[3] is None else r[3] for r in rows], dtype="float32"),
        }
    ).to_parquet(path / "drives.parquet", index=False)


def answers(path, kind, entities, ttl):
    life = pd.Timedelta(hours=ttl).to_pytimedelta() if ttl else None
    store = open_store(path, {"type": kind}, life)
    asked = pd.DataFrame(
        {
            "driver_id": [key for key, _ in entities],
            "event_timestamp": [hour(at) for _, at in entities],
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Feast's own
        found = store.get_historical_features(asked, ["drives:speed"]).to_df()
    return [
        (
            row.driver_id,
            pd.Timestamp(row.event_timestamp),
            None if pd.isna(row.speed) else row.speed,
        )
        for row in found.itertuples()
    ]


@pytest.mark.parametrize("case", CASES)
def test_ours_equals_the_oracle_and_feasts_own_do_what_is_written_down(tmp_path, case):
    rows, entities, ttl, kept = CASES[case]
    write(tmp_path, rows)
    expected = oracle(
        [(key, hour(at)) for key, at in entities],
        [(key, hour(event), hour(known), value) for key, event, known, value in rows],
        pd.Timedelta(hours=ttl) if ttl else None,
        False,
    )
    right = [(key, hour(at), value) for (key, at), value in zip(entities, expected, strict=True)]
    assert answers(tmp_path, OURS, entities, ttl) == right
    duckdb = answers(tmp_path, "duckdb", entities, ttl)
    assert sorted(duckdb, key=str) == sorted(right, key=str)
    dask = answers(tmp_path, "dask", entities, ttl)
    given = right if kept is None else [right[row] for row in kept]
    assert sorted(dask, key=str) == sorted(given, key=str)
