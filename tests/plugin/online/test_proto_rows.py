import numpy as np
import pyarrow as pa
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Float32, Int64
from feast.utils import _convert_arrow_fv_to_proto

from embfeast.plugin.online.proto_rows import proto_rows
from embfeast.tables.columns import MOMENT
from tests.small_repository import day


def test_rows_equal_feasts_own_and_no_chunk_is_lost(rng):
    vectors = [rng.normal(size=5).astype(np.float32), None, np.full(5, -0.0, dtype=np.float32)]
    table = pa.table(
        {
            "id": [1, 2, 3],
            "event_timestamp": pa.array([day(1)] * 3, MOMENT),
            "created_timestamp": pa.array([day(2)] * 3, MOMENT),
            "vector": pa.array(vectors, pa.list_(pa.float32())),
            "cluster": [4, None, -1],
            "distance": pa.array([0.1, None, 2.5], pa.float32()),
        }
    )
    view = FeatureView(
        name="v",
        entities=[Entity(name="e", join_keys=["id"], value_type=ValueType.INT64)],
        schema=[
            Field(name="id", dtype=Int64),
            Field(name="vector", dtype=Array(Float32)),
            Field(name="cluster", dtype=Int64),
            Field(name="distance", dtype=Float32),
        ],
        source=FileSource(
            path="x",
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        ),
    )
    chunked = pa.concat_tables([table.slice(i, 1) for i in range(3)])
    ours = proto_rows(chunked, view)
    theirs = _convert_arrow_fv_to_proto(table, view, {"id": ValueType.INT64})
    assert len(ours) == 3
    for (key, values, event, created), (their_key, their_values, *_) in zip(
        ours, theirs, strict=True
    ):
        assert key == their_key
        assert (event, created) == (day(1), day(2))
        for name, value in values.items():
            assert value == their_values[name], name
            assert value.SerializeToString() == their_values[name].SerializeToString()
