"""Rows after the first chunk of an Arrow table never reach the online store."""

import pandas as pd
import pyarrow as pa
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64
from feast.utils import _convert_arrow_to_proto

entity = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
view = FeatureView(
    name="view",
    entities=[entity],
    schema=[Field(name="score", dtype=Float64)],
    source=FileSource(name="rows", path="rows.parquet", timestamp_field="at"),
)
at = pd.Timestamp("2026-01-01", tz="UTC")
frames = [pd.DataFrame({"user_id": [n, n + 1], "score": 1.0, "at": at}) for n in (0, 2)]
table = pa.concat_tables([pa.Table.from_pandas(frame) for frame in frames])
written = _convert_arrow_to_proto(table, view, {"user_id": ValueType.INT64})
print(f"rows given: {table.num_rows}, rows converted: {len(written)}")
raise SystemExit(len(written) != table.num_rows)
