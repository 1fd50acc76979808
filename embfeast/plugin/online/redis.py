"""Feature rows into Feast's Redis online store, in bulk, whatever time they bear.

Feast's own write leaves out a row whose event time is not newer than the stored one. The values
of a new recipe bear the times of the old ones and would never arrive. What comes here is the
newest row of the whole table already.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import pyarrow as pa
from feast import FeatureView
from feast.infra.online_stores.helpers import compute_versioned_name
from feast.repo_config import RepoConfig
from google.protobuf.timestamp_pb2 import Timestamp

from embfeast.plugin import feast_compat
from embfeast.plugin.online.precomputed import remove_vectors
from embfeast.plugin.online.proto_rows import key_bytes
from embfeast.plugin.online.value_bytes import value_bytes
from embfeast.plugin.online.writer import table_by_table
from embfeast.tables.columns import EVENT_TIME

ROWS_A_ROUND = 2_000  # a round trip each; the client holds a round's commands in memory


def can_write(config: RepoConfig) -> bool:
    """Tell that every mode of this store is known here."""
    return True


def write(
    config: RepoConfig, store: Any, view: FeatureView, tables: Iterable[pa.Table], rows: int
) -> None:
    """Write feature rows in the place of what their keys had."""
    table_by_table(config, store, view, tables, partial(_write, config, store, view))


def erase(config: RepoConfig, store: Any, view: FeatureView, keys: pa.Table) -> None:
    """Remove a view's fields of keys; Redis drops a key without fields by itself."""
    name = _name(config, view)
    fields = [f"_ts:{name}", *(feast_compat.redis_field(name, f.name) for f in view.features)]
    client, gone = feast_compat.redis_client(store, config), _keys(config, view, keys)
    remove_vectors(client, config.project, gone)
    with client.pipeline(transaction=False) as pipe:
        for key in gone:
            pipe.hdel(key, *fields)
        pipe.execute()
    remove_vectors(client, config.project, gone)


def _name(config: RepoConfig, view: FeatureView) -> str:
    versioned = config.registry.enable_online_feature_view_versioning
    return str(compute_versioned_name(view, versioned))


def _keys(config: RepoConfig, view: FeatureView, table: pa.Table) -> list[bytes]:
    project = config.project.encode()
    version = config.entity_key_serialization_version
    return [key + project for key in key_bytes(table, view, version)]


def _write(config: RepoConfig, store: Any, view: FeatureView, table: pa.Table) -> None:
    name, keys = _name(config, view), _keys(config, view, table)
    fields: list[str | bytes] = [f"_ts:{name}"]
    columns = [_times(table[EVENT_TIME])]
    for feature in view.features:
        fields.append(feast_compat.redis_field(name, feature.name))
        columns.append(value_bytes(table[feature.name], feature.dtype.to_value_type()))
    rows = list(zip(keys, zip(*columns, strict=True), strict=True))
    life = config.online_store.key_ttl_seconds
    client = feast_compat.redis_client(store, config)
    remove_vectors(client, config.project, keys)
    for start in range(0, len(rows), ROWS_A_ROUND):
        with client.pipeline(transaction=False) as pipe:
            for key, values in rows[start : start + ROWS_A_ROUND]:
                pipe.hset(key, mapping=dict(zip(fields, values, strict=True)))
                if life:
                    pipe.expire(key, life)
            pipe.execute()
    remove_vectors(client, config.project, keys)


def _times(column: pa.ChunkedArray) -> list[bytes]:
    micros = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy().tolist()
    return [
        Timestamp(seconds=m // 1_000_000, nanos=m % 1_000_000 * 1_000).SerializeToString()
        for m in micros
    ]
