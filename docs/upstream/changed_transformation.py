"""`feast plan` and `apply` fail, or see no change, where a batch view's function has changed."""

from collections.abc import Callable
from inspect import getsource

import pandas as pd
from feast import BatchFeatureView, Entity, Field, FileSource, ValueType
from feast.diff.registry_diff import diff_registry_objects
from feast.infra.registry.registry import FeastObjectType
from feast.types import Float64


def doubled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(score=rows.score * 2)


def trebled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(score=rows.score * 3)


def view(function: Callable) -> BatchFeatureView:
    return BatchFeatureView(
        name="view",
        entities=[Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)],
        schema=[Field(name="score", dtype=Float64)],
        source=FileSource(name="rows", path="rows.parquet", timestamp_field="at"),
        mode="pandas",
        udf=function,
        udf_string=getsource(function),
        online=True,
    )


try:
    found = diff_registry_objects(view(doubled), view(trebled), FeastObjectType.FEATURE_VIEW)
    seen = [diff.property_name for diff in found.feast_object_property_diffs]
except Exception as error:
    seen = repr(error)
print(f"what differs between a function and another one: {seen}")
raise SystemExit(not isinstance(seen, list) or not seen)
