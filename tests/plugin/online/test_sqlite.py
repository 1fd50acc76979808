import sqlite3
import time
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from feast import Entity, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.infra.online_stores.sqlite import SqliteOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Array, Float32, Int64, String

from embfeast import EmbfeastError
from embfeast.moments import exact_moments
from embfeast.plugin.online import sqlite
from embfeast.plugin.online.proto_rows import proto_rows
from embfeast.tables.columns import MOMENT
from tests.small_repository import day

KEYS = {"whole": (ValueType.INT64, Int64), "word": (ValueType.STRING, String)}


def view(*keys, floats=("distance",)):
    return FeatureView(
        name="v",
        entities=[Entity(name=f"e_{k}", join_keys=[k], value_type=KEYS[k][0]) for k in keys],
        schema=[
            *[Field(name=k, dtype=KEYS[k][1]) for k in keys],
            Field(name="vector", dtype=Array(Float32)),
            Field(name="cluster", dtype=Int64),
            *[Field(name=name, dtype=Float32) for name in floats],
            Field(name="digest", dtype=String),
        ],
        source=FileSource(path="x", timestamp_field="event_timestamp"),
    )


def rows(rng, count=50):
    """Rows with nulls, in two chunks, their keys in no order."""
    vectors = [None if i == 3 else rng.normal(size=5).astype(np.float32) for i in range(count)]
    order = rng.permutation(count)
    table = pa.table(
        {
            "whole": pa.array(order - 10),
            "word": [f"k“{i}”" for i in order],
            "event_timestamp": pa.array([day(1 + i % 20) for i in range(count)], MOMENT),
            "created_timestamp": pa.array(
                [None if i == 5 else day(2 + i % 20) for i in range(count)], MOMENT
            ),
            "vector": pa.array(vectors, pa.list_(pa.float32())),
            "cluster": [None if i == 7 else i % 4 - 1 for i in range(count)],
            "distance": pa.array([None if i == 2 else i / 7 for i in range(count)], pa.float32()),
            "digest": ["abc"] * count,
        }
    )
    return pa.concat_tables([table.slice(0, 20), table.slice(20)])


def store_of(folder, name, one):
    config = RepoConfig(
        project="p",
        provider="local",
        registry=str(folder / "r.db"),
        online_store={"type": "sqlite", "path": str(folder / name)},
        entity_key_serialization_version=3,
    )
    store = SqliteOnlineStore()
    store.update(config, [], [one], [], [], partial=False)
    return config, store


def content(path, order="entity_key, feature_name"):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT * FROM p_v ORDER BY {order}").fetchall()
    finally:
        connection.close()


def as_feast_writes(folder, one, table):
    config, store = store_of(folder, "theirs.db", one)
    store.online_write_batch(config, one, proto_rows(table, one), None)
    return content(folder / "theirs.db")


@pytest.mark.parametrize("keys", [("whole",), ("word",), ("whole", "word")])
def test_the_table_holds_what_feasts_own_write_puts_there_to_the_byte(tmp_path, rng, keys):
    one, table = view(*keys), rows(rng)
    config, store = store_of(tmp_path, "ours.db", one)
    assert sqlite.can_write(config)
    sqlite.write(config, store, one, [table], table.num_rows)
    found = content(tmp_path / "ours.db")
    assert len(found) == 50 * 4
    assert found == as_feast_writes(tmp_path, one, table)


def test_many_floats_with_rows_of_nulls_and_odd_nulls_are_feasts_to_the_byte(tmp_path, rng):
    names = [f"f{i:02d}" for i in range(30)]
    one, table = view("whole", floats=names), rows(rng, 1_200).drop(["distance"])
    for place, name in enumerate(names):
        numbers = rng.normal(size=1_200) * 10.0 ** rng.integers(-40, 38, 1_200)
        numbers[:6] = [0, -0.0, 1, -3, 1e10, 1e-4]
        missing = np.arange(1_200) % 7 == 3
        missing[place] |= place > 20
        table = table.append_column(name, pa.array(numbers.astype("f4"), mask=missing))
    config, store = store_of(tmp_path, "ours.db", one)
    sqlite.write(config, store, one, [table], table.num_rows)
    found = content(tmp_path / "ours.db")
    assert len(found) == 1_200 * 33
    assert found == as_feast_writes(tmp_path, one, table)


def test_more_keys_than_a_transaction_holds_lie_in_the_table_in_order(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(sqlite, "KEYS_AT_ONCE", 90)
    monkeypatch.setattr(sqlite, "KEYS_A_BLOCK", 40)
    one, table = view("whole"), rows(rng, 1_000)
    tables = [table.slice(start, 130) for start in range(0, 1_000, 130)]
    config, store = store_of(tmp_path, "ours.db", one)
    sqlite.write(config, store, one, tables, 1_000)
    assert content(tmp_path / "ours.db") == as_feast_writes(tmp_path, one, table)
    as_written = content(tmp_path / "ours.db", order="rowid")
    assert as_written == sorted(as_written, key=lambda row: row[:2])
    sqlite.write(config, store, one, reversed(tables), 1_000)
    assert content(tmp_path / "ours.db", order="rowid") == as_written


def test_a_second_write_replaces_all_values_of_its_keys_and_no_others(tmp_path, rng):
    one, table = view("whole"), rows(rng)
    config, store = store_of(tmp_path, "online.db", one)
    sqlite.write(config, store, one, [table], table.num_rows)
    before = content(tmp_path / "online.db")
    nulls = pa.table(
        {
            name: pa.nulls(50, table.schema.field(name).type)
            if name in ("vector", "cluster", "distance")
            else table[name]
            for name in table.column_names
        }
    ).slice(0, 30)
    sqlite.write(config, store, one, [nulls], nulls.num_rows)
    after = content(tmp_path / "online.db")
    changed = {row[0] for row, old in zip(after, before, strict=True) if row != old}
    assert len(after) == len(before)
    assert len(changed) == 30


def test_a_failed_write_leaves_the_table_as_it_was(tmp_path, rng, monkeypatch):
    one, table = view("whole"), rows(rng)
    config, store = store_of(tmp_path, "online.db", one)
    real = sqlite._blocks

    def broken(*given):
        block = next(real(*given))
        yield block
        yield [(object(), *block[0][1:])]

    monkeypatch.setattr(sqlite, "_blocks", broken)
    with pytest.raises(sqlite3.Error):
        sqlite.write(config, store, one, [table], table.num_rows)
    assert content(tmp_path / "online.db") == []
    monkeypatch.undo()
    sqlite.write(config, store, one, [table], table.num_rows)
    assert len(content(tmp_path / "online.db")) == 50 * 4


def test_stores_with_columns_of_special_modes_are_left_to_feast(tmp_path):
    config, _ = store_of(tmp_path, "online.db", view("whole"))
    config.online_store.vector_enabled = True
    assert not sqlite.can_write(config)


FIRST, LAST = datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.fixture
def in_tokyo(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def written_at(folder, rng, moments):
    """Write rows of these times, and return the times that Feast reads."""
    one = view("whole")
    config, store = store_of(folder, "ours.db", one)
    table = rows(rng, len(moments)).combine_chunks()
    at = table.schema.get_field_index("event_timestamp")
    table = table.set_column(at, "event_timestamp", exact_moments(pa.array(moments, MOMENT)))
    sqlite.write(config, store, one, [table], len(moments))
    keys = [
        EntityKeyProto(join_keys=["whole"], entity_values=[value])
        for value in (Value(int64_val=whole.as_py()) for whole in table["whole"])
    ]
    return [moment for moment, _ in store.online_read(config, one, keys)]


def test_the_first_and_the_last_time_are_read_back(tmp_path, rng):
    assert written_at(tmp_path, rng, [FIRST, LAST]) == [FIRST, LAST]


@pytest.mark.usefixtures("in_tokyo")
def test_a_time_that_this_time_zone_cannot_hold_is_refused_with_what_to_do(tmp_path, rng):
    with pytest.raises(EmbfeastError, match=r"9999-12-31 23:59:59\+00:00 .* TZ=UTC"):
        written_at(tmp_path, rng, [FIRST, LAST])
    assert written_at(tmp_path, rng, [FIRST]) == [FIRST]
