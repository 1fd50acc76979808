"""Feature rows into Feast's Redis online store, in bulk, whatever time they bear.

Feast's own write leaves out a row whose event time is not newer than the stored one. The values
of a new recipe bear the times of the old ones and would never arrive. What comes here is the
newest row of the whole table already.
"""

from typing import Any

import pyarrow as pa
from feast import FeatureView
from feast.infra.online_stores.helpers import _mmh3, compute_versioned_name
from feast.repo_config import RepoConfig
from google.protobuf.timestamp_pb2 import Timestamp

from embfeast.plugin.feature_table import EVENT_TIME
from embfeast.plugin.proto_rows import key_bytes
from embfeast.plugin.value_bytes import value_bytes

ROWS_A_ROUND = 2_000  # a round trip each; the client holds a round's commands in memory


def can_write(config: RepoConfig) -> bool:
    """Tell that every mode of this store is known here."""
    return True


def write(config: RepoConfig, store: Any, view: FeatureView, table: pa.Table) -> None:
    """Write feature rows in the place of what their keys had.

    Parameters
    ----------
    config : RepoConfig
    store : RedisOnlineStore
    view : FeatureView
    table : pyarrow.Table
        Keys, event and created time, and the view's features; a key once.
    """
    name = compute_versioned_name(view, config.registry.enable_online_feature_view_versioning)
    project = config.project.encode()
    keys = [
        key + project for key in key_bytes(table, view, config.entity_key_serialization_version)
    ]
    fields: list[str | bytes] = [f"_ts:{name}"]
    columns = [_times(table[EVENT_TIME])]
    for feature in view.features:
        fields.append(_mmh3(f"{name}:{feature.name}"))
        columns.append(value_bytes(table[feature.name], feature.dtype.to_value_type()))
    rows = list(zip(keys, zip(*columns, strict=True), strict=True))
    life = config.online_store.key_ttl_seconds
    client = store._get_client(config.online_store)
    for start in range(0, len(rows), ROWS_A_ROUND):
        with client.pipeline(transaction=False) as pipe:
            for key, values in rows[start : start + ROWS_A_ROUND]:
                pipe.hset(key, mapping=dict(zip(fields, values, strict=True)))
                if life:
                    pipe.expire(key, life)
            pipe.execute()


def _times(column: pa.ChunkedArray) -> list[bytes]:
    micros = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    return [
        Timestamp(seconds=m // 1_000_000, nanos=m % 1_000_000 * 1_000).SerializeToString()
        for m in micros
    ]
