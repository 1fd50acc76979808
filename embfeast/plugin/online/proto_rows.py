"""Feature rows as Feast's protobuf values, for the online store."""

from datetime import datetime
from typing import cast

import pyarrow as pa
from feast import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Int64

from embfeast.plugin.online.value_bytes import value_bytes
from embfeast.tables.columns import CREATED_TIME, EVENT_TIME

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


def proto_rows(table: pa.Table, view: FeatureView) -> list[Row]:
    """Convert feature rows to what `OnlineStore.online_write_batch` takes."""
    keys = entity_keys(table, view)
    names = [field.name for field in view.features]
    features = [
        map(Value.FromString, value_bytes(table[f.name], f.dtype.to_value_type()))
        for f in view.features
    ]
    values = (dict(zip(names, row, strict=True)) for row in zip(*features, strict=True))
    events = cast("list[datetime]", table[EVENT_TIME].to_pylist())  # none is null
    created = table[CREATED_TIME].to_pylist()
    return list(zip(keys, values, events, created, strict=True))


def entity_keys(table: pa.Table, view: FeatureView) -> list[EntityKey]:
    """Return Feast's key of each row."""
    names = [field.name for field in view.entity_columns]
    columns = [
        map(Value.FromString, value_bytes(table[f.name], f.dtype.to_value_type()))
        for f in view.entity_columns
    ]
    return [
        EntityKey(join_keys=names, entity_values=list(row)) for row in zip(*columns, strict=True)
    ]


def key_bytes(table: pa.Table, view: FeatureView, version: int) -> list[bytes]:
    """Return Feast's key of each row, serialized in a version of Feast's."""
    fields = view.entity_columns
    if len(fields) == 1 and fields[0].dtype == Int64 and table[fields[0].name].type == pa.int64():
        # All keys have the same bytes but for the number's eight at their end.
        column = pa.table({fields[0].name: pa.array([0], pa.int64())})
        before = serialize_entity_key(entity_keys(column, view)[0], version)[:-8]
        numbers = table[fields[0].name].to_numpy().astype("<i8").tobytes()
        return [before + numbers[at : at + 8] for at in range(0, len(numbers), 8)]
    return [serialize_entity_key(key, version) for key in entity_keys(table, view)]
