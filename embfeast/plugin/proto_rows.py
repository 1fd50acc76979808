"""Feature rows as Feast's protobuf values, for the online store."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import FloatList, Value
from feast.type_map import python_values_to_proto_values

from embfeast.plugin.feature_table import CREATED_TIME, EVENT_TIME

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


def proto_rows(table: pa.Table, view: FeatureView) -> list[Row]:
    """Convert feature rows to what `OnlineStore.online_write_batch` takes.

    Parameters
    ----------
    table : pyarrow.Table
        Keys, event and created time, and the view's features; chunks are joined, since
        converting only the first would lose rows.
    view : FeatureView

    Returns
    -------
    list of (entity key, values by feature, event time, created time)
    """
    table = table.combine_chunks()
    keys = [field.name for field in view.entity_columns]
    key_values = [_values(table[f.name], f.dtype.to_value_type()) for f in view.entity_columns]
    features = [(f.name, _values(table[f.name], f.dtype.to_value_type())) for f in view.features]
    events = table[EVENT_TIME].to_pylist()
    created = table[CREATED_TIME].to_pylist()
    return [
        (
            EntityKey(join_keys=keys, entity_values=[column[row] for column in key_values]),
            {name: column[row] for name, column in features},
            events[row],
            created[row],
        )
        for row in range(table.num_rows)
    ]


def _values(column: pa.ChunkedArray, kind: Any) -> Sequence[Value]:
    if pa.types.is_list(column.type) and pa.types.is_float32(column.type.value_type):
        return _vectors(column)
    made: list[Value] = python_values_to_proto_values(column.to_pylist(), kind)
    return made


def _vectors(column: pa.ChunkedArray) -> list[Value]:
    """Build vector values from their bytes: four times as fast as number by number."""
    made: list[Value] = []
    prefixes: dict[int, bytes] = {}
    for chunk in column.chunks:
        numbers = np.asarray(chunk.values, dtype="<f4")
        offsets = np.asarray(chunk.offsets)
        present = np.asarray(chunk.is_valid())
        for row in range(len(chunk)):
            start, end = offsets[row], offsets[row + 1]
            if not present[row]:
                made.append(Value())
                continue
            width = int(end - start)
            if width not in prefixes:
                zeros = Value(float_list_val=FloatList(val=np.zeros(width, dtype=np.float32)))
                prefixes[width] = zeros.SerializeToString()[: -4 * width or None]
            made.append(Value.FromString(prefixes[width] + numbers[start:end].tobytes()))
    return made
