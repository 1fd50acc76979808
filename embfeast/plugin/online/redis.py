"""Feature rows into Feast's Redis online store, in bulk, whatever time they bear.

Feast's own write leaves out a row whose event time is not newer than the stored one. The values
of a new recipe bear the times of the old ones and would never arrive. What comes here is the
newest row of the whole table already.
"""

import contextlib
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice, repeat
from typing import Any

import pyarrow as pa
from feast import FeatureView
from feast.infra.key_encoding_utils import (
    deserialize_entity_key,
    serialize_entity_key,
    serialize_entity_key_prefix,
)
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
ROUNDS_AT_ONCE = 2


def can_write(config: RepoConfig) -> bool:
    """Tell that every mode of this store is known here."""
    return True


def write(
    config: RepoConfig, store: Any, view: FeatureView, tables: Iterable[pa.Table], rows: int
) -> None:
    """Write feature rows in the place of what their keys had."""
    table_by_table(config, store, view, tables, partial(_write, config, store, view))


def empty(config: RepoConfig, store: Any, view: FeatureView) -> int:
    """Remove a view's fields of all keys, which takes a look at each key of the project."""
    fields, client = _fields(config, view), feast_compat.redis_client(store, config)
    rows = 0
    found = _keys_of(config, client, view)
    while keys := list(islice(found, ROWS_A_ROUND)):
        remove_vectors(client, config.project, keys)
        with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hdel(key, *fields)
            rows += sum(map(bool, pipe.execute()))
    return rows


def erase(config: RepoConfig, store: Any, view: FeatureView, keys: pa.Table) -> None:
    """Remove a view's fields of keys; Redis drops a key without fields by itself."""
    fields = _fields(config, view)
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


def _fields(config: RepoConfig, view: FeatureView) -> list[str | bytes]:
    """Return the fields of a view in the hash of a key, its event time's first."""
    name = _name(config, view)
    return [f"_ts:{name}", *(feast_compat.redis_field(name, f.name) for f in view.features)]


def _keys_of(config: RepoConfig, client: Any, view: FeatureView) -> Iterator[bytes]:
    """Yield the Redis keys of a view's entities, but for those of a project of a longer name."""
    version, project = config.entity_key_serialization_version, config.project.encode()
    prefix = serialize_entity_key_prefix(list(view.join_keys), version)
    pattern = re.sub(rb"([*?\[\]\\])", rb"\\\1", prefix) + b"*" + project
    for key in client.scan_iter(pattern, count=ROWS_A_ROUND):
        entity = key.removesuffix(project)
        with contextlib.suppress(ValueError, IndexError, struct.error):
            if serialize_entity_key(deserialize_entity_key(entity, version), version) == entity:
                yield key


def _keys(config: RepoConfig, view: FeatureView, table: pa.Table) -> list[bytes]:
    project = config.project.encode()
    version = config.entity_key_serialization_version
    return [key + project for key in key_bytes(table, view, version)]


def _write(config: RepoConfig, store: Any, view: FeatureView, table: pa.Table) -> None:
    fields, keys = _fields(config, view), _keys(config, view, table)
    values = [value_bytes(table[f.name], f.dtype.to_value_type()) for f in view.features]
    columns = [_times(table[EVENT_TIME]), *values]
    pairs = chain.from_iterable(zip(map(repeat, fields), columns, strict=True))
    rows = list(zip(keys, *pairs))  # noqa: B905 - a field is repeated without an end
    client = feast_compat.redis_client(store, config)
    remove_vectors(client, config.project, keys)
    # While the server takes a round the next one is packed.
    with ThreadPoolExecutor(ROUNDS_AT_ONCE) as pool:
        rounds = (rows[at : at + ROWS_A_ROUND] for at in range(0, len(rows), ROWS_A_ROUND))
        list(pool.map(partial(_send, client, config.online_store.key_ttl_seconds), rounds))
    remove_vectors(client, config.project, keys)


def _send(client: Any, life: int | None, rows: Sequence[tuple[bytes, ...]]) -> None:
    with client.pipeline(transaction=False) as pipe:
        for row in rows:
            pipe.execute_command("HSET", *row)
            if life:
                pipe.expire(row[0], life)
        pipe.execute()


def _times(column: pa.ChunkedArray) -> list[bytes]:
    micros = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy().tolist()
    return [
        Timestamp(seconds=m // 1_000_000, nanos=m % 1_000_000 * 1_000).SerializeToString()
        for m in micros
    ]
