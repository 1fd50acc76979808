"""Feature rows as Feast's protobuf values, for the online store."""

from datetime import datetime

import pyarrow as pa
from feast import FeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from embfeast.plugin.feature_table import CREATED_TIME, EVENT_TIME
from embfeast.plugin.value_bytes import value_bytes

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


def proto_rows(table: pa.Table, view: FeatureView) -> list[Row]:
    """Convert feature rows to what `OnlineStore.online_write_batch` takes.

    Parameters
    ----------
    table : pyarrow.Table
        Keys, event and created time, and the view's features, in any number of chunks.
    view : FeatureView

    Returns
    -------
    list of (entity key, values by feature, event time, created time)
    """
    keys = entity_keys(table, view)
    names = [field.name for field in view.features]
    features = [
        map(Value.FromString, value_bytes(table[f.name], f.dtype.to_value_type()))
        for f in view.features
    ]
    values = (dict(zip(names, row, strict=True)) for row in zip(*features, strict=True))
    events = table[EVENT_TIME].to_pylist()
    created = table[CREATED_TIME].to_pylist()
    return list(zip(keys, values, events, created, strict=True))


def entity_keys(table: pa.Table, view: FeatureView) -> list[EntityKey]:
    """Return Feast's key of each row.

    Parameters
    ----------
    table : pyarrow.Table
        Has the view's key columns.
    view : FeatureView
    """
    names = [field.name for field in view.entity_columns]
    columns = [
        map(Value.FromString, value_bytes(table[f.name], f.dtype.to_value_type()))
        for f in view.entity_columns
    ]
    return [
        EntityKey(join_keys=names, entity_values=list(row)) for row in zip(*columns, strict=True)
    ]
