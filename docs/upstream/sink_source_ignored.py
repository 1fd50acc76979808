"""`sink_source` is dropped without a word where a view is computed from a data source."""

from feast import BatchFeatureView, Entity, Field, FileSource, ValueType
from feast.types import Float64

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
view = BatchFeatureView(
    name="view",
    entities=[user],
    schema=[Field(name="score", dtype=Float64)],
    source=FileSource(name="raw", path="raw.parquet", timestamp_field="at"),
    sink_source=FileSource(name="sink", path="sink.parquet", timestamp_field="at"),
    mode="pandas",
    udf=lambda rows: rows,
    udf_string="lambda rows: rows",
    online=True,
    offline=True,
)
# What is computed is written to the batch source, and history is read from it.
print(f"features are written to {view.batch_source.name!r}, asked for: 'sink'")
raise SystemExit(view.batch_source.name != "sink")
